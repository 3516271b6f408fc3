import { join } from "@std/path/posix/join";
import { osReason, RunnerError } from "../../errors.ts";
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
import { lockDirectory } from "../../fs/file_lock.ts";
import { writeAtomic } from "../../fs/write_atomic.ts";
import { formatTable, parseTable, type SecretTable } from "./store_table.ts";

/** Maximum time to wait for another writer, in milliseconds; creating a store is slow. */
const LOCK_TIMEOUT_MS = 15_000;

const SALT_BYTES = 32;

/** Maximum size of a file, in bytes; far larger than any real store. */
const MAX_BYTES = 16 * 1024 * 1024;

/**
 * Encoding of new files, the only one that the coordinator's command line
 * reads. Files that the Python runner wrote keep their encoding.
 */
const NEW_ENCODING: TokenEncoding = "raw";

/** Fernet does not distinguish the two cases. */
const NOT_OPENED = "the password is wrong or the store was changed";

/** Options for {@linkcode SecretStore}. */
export interface SecretStoreOptions {
  /** Directory of the store. */
  directory: string;
  /** Returns the password; called once, and only if it is needed. */
  password: () => string | Promise<string>;
  /**
   * Cost of deriving the key. For tests: other programs cannot open a store
   * with another cost.
   *
   * @default {SCRYPT_COST}
   */
  cost?: number;
}

/** Decrypted content of a store. */
interface OpenStore {
  readonly key: FernetKey;
  readonly table: SecretTable;
  readonly encoding: TokenEncoding;
}

/**
 * Secrets in an encrypted file, which other programs also read and write.
 *
 * The directory contains `.salt`, 32 random bytes, and `secrets.enc`, a Fernet
 * token. The key is derived from the password once. A store with a `.salt` but
 * no `secrets.enc` is empty; without `.salt`, there is no store.
 */
export class SecretStore {
  readonly #directory: string;
  readonly #saltPath: string;
  readonly #tokenPath: string;
  readonly #requestPassword: () => string | Promise<string>;
  readonly #cost: number;
  #password: Promise<string> | undefined;
  readonly #keys = new Map<string, Promise<FernetKey>>();

  /**
   * Creates a store object without accessing any files.
   *
   * @param options Directory and password.
   */
  constructor(options: SecretStoreOptions) {
    const { directory, password, cost = SCRYPT_COST } = options;
    this.#directory = directory;
    this.#saltPath = join(directory, ".salt");
    this.#tokenPath = join(directory, "secrets.enc");
    this.#requestPassword = password;
    this.#cost = cost;
  }

  /**
   * Creates an empty store and its directory.
   *
   * @throws {RunnerError} `invalid-config` if a store exists; `output-failed`
   * if it cannot be written.
   */
  async init(): Promise<void> {
    await this.#throwIfExists();
    // Without a password, no directory must be left behind.
    await this.#getPassword();
    await makePrivateDirectory(this.#directory);
    using _ = await lockDirectory(this.#directory, {
      timeoutMs: LOCK_TIMEOUT_MS,
    });
    await this.#throwIfExists();
    // A salt without secrets is left from an interrupted init.
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
   * @returns A copy of the secrets.
   * @throws {RunnerError} `invalid-config` if the store does not exist, the
   * password is wrong or a file was changed.
   */
  async read(): Promise<SecretTable> {
    return (await this.#open()).table;
  }

  /**
   * Changes secrets while other writers are locked out.
   *
   * The encoding of the file does not change.
   *
   * @param change Changes the table. If it throws, the file is unchanged.
   * @returns Return value of the function.
   * @throws {RunnerError} As {@linkcode read}; `output-failed` if the file
   * cannot be written.
   */
  async update<T>(change: (table: SecretTable) => T): Promise<T> {
    // Deriving the key takes a second, so do it before taking the lock.
    await this.#keyFor(await this.#readSalt());
    using _ = await lockDirectory(this.#directory, {
      timeoutMs: LOCK_TIMEOUT_MS,
    });
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
      throw this.#error("its content is not a table of secrets");
    }
    return { key, table, encoding: found.encoding };
  }

  async #readSalt(): Promise<Uint8Array<ArrayBuffer>> {
    const salt = await readPrivate(this.#saltPath);
    // Any other length means that the file was changed.
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
    const key = this.#getPassword()
      .then((password) => deriveKey(password, salt, { cost: this.#cost }))
      .then(importFernetKey);
    this.#keys.set(name, key);
    return key;
  }

  #getPassword(): Promise<string> {
    return this.#password ??= Promise.try(this.#requestPassword);
  }

  async #throwIfExists(): Promise<void> {
    if (await readPrivate(this.#tokenPath) === undefined) return;
    throw new RunnerError(
      `Cannot create a secret store in "${this.#directory}": it already contains one`,
      { code: "invalid-config" },
    );
  }

  #error(state: string): RunnerError {
    return new RunnerError(`Cannot open "${this.#tokenPath}": ${state}`, {
      code: "invalid-config",
    });
  }
}

/**
 * Creates a directory that only its owner can access, and missing parents.
 *
 * @throws {RunnerError} `output-failed` if it cannot be created.
 */
async function makePrivateDirectory(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true, mode: 0o700 });
    // An existing directory, or one created with another umask, may be
    // accessible.
    await Deno.chmod(path, 0o700);
  } catch (cause) {
    throw new RunnerError(`Cannot create "${path}": ${osReason(cause)}`, {
      code: "output-failed",
      cause,
    });
  }
}

/**
 * Reads a file of a store.
 *
 * @returns Its content; `undefined` if it does not exist.
 * @throws {RunnerError} `invalid-config` if it cannot be read or is too large.
 */
async function readPrivate(
  path: string,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  let reason: string;
  try {
    const { isFile, size } = await Deno.stat(path);
    if (!isFile) reason = "it is not a file";
    else if (size > MAX_BYTES) {
      reason = `it is larger than ${MAX_BYTES} bytes`;
    } else return await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    reason = osReason(error);
  }
  throw new RunnerError(`Cannot read "${path}": ${reason}`, {
    code: "invalid-config",
  });
}

/**
 * Writes a file of a store with mode 0600. The content is flushed to disk
 * before the old file is replaced, because there may be no other copy of the
 * secrets.
 *
 * @throws {RunnerError} `output-failed` if it cannot be written; the old file
 * is unchanged.
 */
async function writePrivate(
  path: string,
  content: Uint8Array,
): Promise<void> {
  await writeAtomic(path, content, { mode: 0o600, isDurable: true });
}
