import { join } from "@std/path/posix/join";
import { RunnerError } from "../../errors.ts";
import {
  decodeToken,
  decryptFernet,
  deriveKey,
  encodeToken,
  encryptFernet,
  type FernetKey,
  importFernetKey,
  SCRYPT_COST,
  type TokenEncoding,
} from "./fernet.ts";
import { lockDirectory } from "../../fs/files.ts";
import {
  makePrivateDirectory,
  readPrivate,
  writePrivate,
} from "./private_file.ts";
import { formatTable, parseTable, type SecretTable } from "./table.ts";

/** Maximum time to wait for another writer, in milliseconds; creating a store is slow. */
const LOCK_MS = 15_000;

const SALT_BYTES = 32;

/**
 * How a new file holds its token. The coordinator's command line reads no other
 * form; a file that the Python runner wrote keeps its own.
 */
const NEW_ENCODING: TokenEncoding = "raw";

/** Only the owner can find out which of the two, and a stranger does not learn it. */
const NOT_OPENED = "the password is wrong or the store was changed";

/** Options for {@linkcode SecretStore}. */
export interface SecretStoreOptions {
  /** Directory of the store. */
  directory: string;
  /** Returns the password; called once, and only when there is something to open. */
  password: () => string | Promise<string>;
  /**
   * Cost of the key. Another one opens no store but its own: it is there for
   * tests.
   *
   * @default {SCRYPT_COST}
   */
  cost?: number;
}

/** What is in the files of a store at one moment. */
interface OpenStore {
  readonly key: FernetKey;
  readonly table: SecretTable;
  readonly encoding: TokenEncoding;
}

/**
 * Secrets in an encrypted file, which other programs read and write, too.
 *
 * The directory holds `.salt`, 32 random bytes, and `secrets.enc`, a Fernet
 * token. The key is derived from the password once. A store whose `.salt` is
 * there and whose `secrets.enc` is missing is empty; without `.salt` there is
 * no store.
 */
export class SecretStore {
  readonly #directory: string;
  readonly #saltPath: string;
  readonly #tokenPath: string;
  readonly #askPassword: () => string | Promise<string>;
  readonly #cost: number;
  #password: Promise<string> | undefined;
  readonly #keys = new Map<string, Promise<FernetKey>>();

  /**
   * Creates the object; no file is touched.
   *
   * @param options Where the store is and how it is opened.
   */
  constructor(options: SecretStoreOptions) {
    const { directory, password, cost = SCRYPT_COST } = options;
    this.#directory = directory;
    this.#saltPath = join(directory, ".salt");
    this.#tokenPath = join(directory, "secrets.enc");
    this.#askPassword = password;
    this.#cost = cost;
  }

  /**
   * Creates an empty store, and its directory.
   *
   * @throws {RunnerError} `invalid-config` if there is a store; `output-failed`
   * if it cannot be written.
   */
  async init(): Promise<void> {
    await this.#refuseToReplace();
    // A password that is not given must not leave a directory behind.
    await this.#passwordOnce();
    await makePrivateDirectory(this.#directory);
    using _ = await lockDirectory(this.#directory, { timeoutMs: LOCK_MS });
    await this.#refuseToReplace();
    // A salt without secrets is what is left of a store that was never finished.
    let salt = await readPrivate(this.#saltPath);
    if (salt?.length !== SALT_BYTES) {
      salt = crypto.getRandomValues(new Uint8Array(SALT_BYTES));
      await writePrivate(this.#saltPath, salt);
    }
    const key = await this.#keyFor(salt);
    await this.#write({ key, table: new Map(), encoding: NEW_ENCODING });
  }

  /**
   * Reads all secrets.
   *
   * @returns The secrets, a copy of what is in the file.
   * @throws {RunnerError} `invalid-config` if the store does not exist, the password
   * is wrong or a file was changed.
   */
  async read(): Promise<SecretTable> {
    return (await this.#open()).table;
  }

  /**
   * Changes secrets while no other writer can.
   *
   * The encoding of the file stays as it was found.
   *
   * @param change Changes the table; what it throws leaves the file as it is.
   * @returns What the function returned.
   * @throws {RunnerError} As {@linkcode read}; `output-failed` if the file
   * cannot be written.
   */
  async update<T>(change: (table: SecretTable) => T): Promise<T> {
    // The key takes a second, during which the lock is not needed.
    await this.#keyFor(await this.#readSalt());
    using _ = await lockDirectory(this.#directory, { timeoutMs: LOCK_MS });
    const open = await this.#open();
    const result = change(open.table);
    await this.#write(open);
    return result;
  }

  async #open(): Promise<OpenStore> {
    const salt = await this.#readSalt();
    const content = await readPrivate(this.#tokenPath);
    const key = await this.#keyFor(salt);
    if (content === undefined) {
      return { key, table: new Map(), encoding: NEW_ENCODING };
    }
    const found = decodeToken(content);
    const bytes = found && await decryptFernet(key, found.token);
    if (found === undefined || bytes === undefined) {
      throw this.#error(NOT_OPENED);
    }
    const table = parseTable(bytes);
    if (table === undefined) {
      throw this.#error("its content is no table of secrets");
    }
    return { key, table, encoding: found.encoding };
  }

  async #readSalt(): Promise<Uint8Array<ArrayBuffer>> {
    const salt = await readPrivate(this.#saltPath);
    // Another length means that somebody changed it: no program writes one.
    if (salt?.length === SALT_BYTES) return salt;
    if (salt !== undefined) throw this.#error(NOT_OPENED);
    if (await readPrivate(this.#tokenPath) !== undefined) {
      throw this.#error(`its ".salt" is missing`);
    }
    throw new RunnerError(
      `Cannot open "${this.#directory}": it does not contain a secret store; "runnerlib secrets init" creates one`,
      { code: "invalid-config" },
    );
  }

  async #write({ key, table, encoding }: OpenStore): Promise<void> {
    const token = await encryptFernet(key, formatTable(table));
    await writePrivate(this.#tokenPath, encodeToken({ token, encoding }));
  }

  #keyFor(salt: Uint8Array): Promise<FernetKey> {
    const name = salt.toHex();
    const known = this.#keys.get(name);
    if (known !== undefined) return known;
    const key = this.#passwordOnce()
      .then((password) => deriveKey(password, salt, { cost: this.#cost }))
      .then(importFernetKey);
    this.#keys.set(name, key);
    return key;
  }

  #passwordOnce(): Promise<string> {
    return this.#password ??= Promise.try(this.#askPassword);
  }

  async #refuseToReplace(): Promise<void> {
    if (await readPrivate(this.#tokenPath) === undefined) return;
    throw new RunnerError(
      `Cannot make a store of secrets in "${this.#directory}": there is one`,
      { code: "invalid-config" },
    );
  }

  #error(state: string): RunnerError {
    return new RunnerError(`Cannot open "${this.#tokenPath}": ${state}`, {
      code: "invalid-config",
    });
  }
}
