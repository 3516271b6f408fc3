import { assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RunnerError } from "../../src/errors.ts";
import {
  deriveKey,
  encryptFernet,
  importFernetKey,
} from "../../src/secrets/store/fernet.ts";
import { lockDirectory } from "../../src/fs/file_lock.ts";
import { SecretStore } from "../../src/secrets/store/store.ts";
import {
  addSecrets,
  type SecretTable,
} from "../../src/secrets/store/store_table.ts";
import { Random } from "../helpers/random.ts";
import {
  exists,
  listFiles,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const NOT_OPENED = "the password is wrong or the store was changed";

/** Opens a store with a cheap key, and counts requests for the password. */
function storeIn(directory: string, password = "correct horse") {
  let asked = 0;
  const store = new SecretStore({
    directory,
    password: () => {
      asked++;
      return password;
    },
    cost: 16,
  });
  return Object.assign(store, { asked: () => asked });
}

/** Creates a store that holds one secret. */
async function makeStore(directory: string): Promise<void> {
  const store = storeIn(directory);
  await store.init();
  await store.update((table) => addSecrets(table, "demo", [["A", "alpha"]]));
}

/** Returns the message of the error with which reading a store fails. */
async function refusal(directory: string, password?: string): Promise<string> {
  const store = storeIn(directory, password);
  const error = await assertRejects(() => store.read(), RunnerError);
  assertEquals(error.code, "invalid-config");
  await assertRejects(
    () => store.update(() => {}),
    RunnerError,
    error.message,
  );
  return error.message.replaceAll(directory, "DIR");
}

describe("SecretStore.init()", () => {
  it("creates private files in a private directory with any umask", async () => {
    await using directory = await temporaryDirectory();
    const path = `${directory.path}/config/secrets`;
    await Deno.mkdir(path, { recursive: true, mode: 0o755 });
    await makeStore(path);
    const modes = ["", "/.salt", "/secrets.enc"]
      .map((name) => Deno.statSync(path + name).mode! & 0o7777);
    assertEquals(modes, [0o700, 0o600, 0o600]);
    assertEquals((await Deno.readFile(`${path}/.salt`)).length, 32);
    const names = Object.keys(await listFiles(path));
    assertEquals(names, [".salt", "secrets.enc"]);
  });

  it("never replaces a store", async () => {
    await using directory = await temporaryDirectory();
    await makeStore(directory.path);
    const store = storeIn(directory.path);
    await assertRejects(
      () => store.init(),
      RunnerError,
      `Cannot create a secret store in "${directory.path}": it already contains one`,
    );
    assertEquals(store.asked(), 0);
    assertEquals((await storeIn(directory.path).read()).size, 1);
  });

  it("leaves nothing behind if there is no password", async () => {
    await using directory = await temporaryDirectory();
    const path = `${directory.path}/secrets`;
    const store = new SecretStore({
      directory: path,
      password: () => Promise.reject(new Error("none")),
    });
    await assertRejects(() => store.init(), Error, "none");
    assertEquals(await exists(path), false);
  });

  it("completes a store whose creation was interrupted", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, { ".salt": "too short" });
    await makeStore(directory.path);
    assertEquals((await Deno.readFile(`${directory.path}/.salt`)).length, 32);
  });

  it("reports why a directory cannot be created", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, { "file": "" });
    await assertRejects(
      () => storeIn(`${directory.path}/file/secrets`).init(),
      RunnerError,
    );
  });
});

describe("SecretStore.read()", () => {
  it("finds no store in an empty directory, and does not request a password", async () => {
    await using directory = await temporaryDirectory();
    for (const path of [directory.path, `${directory.path}/missing`]) {
      const store = storeIn(path);
      await assertRejects(
        () => store.read(),
        RunnerError,
        `Cannot open "${path}": it does not contain a secret store`,
      );
      assertEquals(store.asked(), 0);
    }
  });

  it("returns no secrets if the file is missing", async () => {
    await using directory = await temporaryDirectory();
    await makeStore(directory.path);
    await Deno.remove(`${directory.path}/secrets.enc`);
    assertEquals((await storeIn(directory.path).read()).size, 0);
    await makeFiles(directory.path, { "secrets.enc": "" });
    await Deno.remove(`${directory.path}/.salt`);
    assertEquals(
      await refusal(directory.path),
      `Cannot open "DIR/secrets.enc": its ".salt" is missing`,
    );
  });

  it("reports a wrong password, a changed file and a changed salt in the same words", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeStore(path);
    const content = await Deno.readFile(`${path}/secrets.enc`);
    const salt = await Deno.readFile(`${path}/.salt`);
    const expected = `Cannot open "DIR/secrets.enc": ${NOT_OPENED}`;
    assertEquals(await refusal(path, "wrong"), expected);
    const changed = content.slice();
    changed[40] ^= 1;
    for (
      const wrong of [
        changed,
        content.slice(0, -4),
        content.slice(0, 5),
        new Uint8Array(),
        Uint8Array.of(0x80),
        new TextEncoder().encode("{}"),
      ]
    ) {
      await Deno.writeFile(`${path}/secrets.enc`, wrong);
      assertEquals(await refusal(path), expected);
    }
    await Deno.writeFile(`${path}/secrets.enc`, content);
    for (const wrong of [salt.toReversed(), salt.slice(1), new Uint8Array()]) {
      await Deno.writeFile(`${path}/.salt`, wrong);
      assertEquals(await refusal(path), expected);
    }
  });

  it("does not quote content that is not a table", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeStore(path);
    const salt = await Deno.readFile(`${path}/.salt`);
    const key = await importFernetKey(
      await deriveKey("correct horse", salt, { cost: 16 }),
    );
    for (const text of ["hunter2", `{"hunter2": ["hunter2"]}`, "null"]) {
      await Deno.writeFile(
        `${path}/secrets.enc`,
        await encryptFernet(key, new TextEncoder().encode(text)),
      );
      assertEquals(
        await refusal(path),
        `Cannot open "DIR/secrets.enc": its content is not a table of secrets`,
      );
    }
  });

  it("reports why a file cannot be read", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, { ".salt/": "" });
    assertEquals(
      await refusal(directory.path),
      `Cannot read "DIR/.salt": it is not a file`,
    );
  });

  it("requests the password and derives the key only once", async () => {
    await using directory = await temporaryDirectory();
    await makeStore(directory.path);
    const store = storeIn(directory.path);
    await Promise.all([store.read(), store.read(), store.update(() => {})]);
    assertEquals(store.asked(), 1);
  });
});

describe("SecretStore.update()", () => {
  it("keeps the encoding of a file, and creates files that the coordinator's command line reads", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const file = `${path}/secrets.enc`;
    await makeStore(path);
    const token = await Deno.readFile(file);
    assertEquals(token[0], 0x80);
    await Deno.writeTextFile(file, token.toBase64({ alphabet: "base64url" }));
    const store = storeIn(path);
    await store.update((table) => addSecrets(table, "demo", [["B", "beta"]]));
    assertEquals((await Deno.readTextFile(file)).startsWith("gAAAAA"), true);
    const table = await storeIn(path).read();
    assertEquals([...table.get("demo")!], [["A", "alpha"], ["B", "beta"]]);
  });

  it("does not change the file if the change throws", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeStore(path);
    const before = await Deno.readTextFile(`${path}/secrets.enc`);
    await assertRejects(
      () =>
        storeIn(path).update((table) => {
          table.clear();
          throw new Error("no");
        }),
      Error,
      "no",
    );
    assertEquals(await Deno.readTextFile(`${path}/secrets.enc`), before);
  });

  it("replaces a link, and makes the file private again", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeStore(path);
    await Deno.rename(`${path}/secrets.enc`, `${path}/elsewhere`);
    await Deno.chmod(`${path}/elsewhere`, 0o644);
    await Deno.symlink("elsewhere", `${path}/secrets.enc`);
    await storeIn(path).update(() => {});
    const { isFile, mode } = await Deno.lstat(`${path}/secrets.enc`);
    assertEquals([isFile, mode! & 0o7777], [true, 0o600]);
  });

  it("waits for another writer", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeStore(path);
    const lock = await lockDirectory(path);
    let done = false;
    const updating = storeIn(path)
      .update((table) => addSecrets(table, "demo", [["B", "beta"]]))
      .then(() => done = true);
    // Reading needs no lock, and takes longer than a write that does not wait.
    for (let i = 0; i < 5; i++) await storeIn(path).read();
    assertEquals(done, false);
    lock[Symbol.dispose]();
    await updating;
    assertEquals((await storeIn(path).read()).get("demo")!.size, 2);
  });

  it("loses nothing if several processes write concurrently", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await storeIn(path).init();
    const script = new URL("../helpers/add_secrets.ts", import.meta.url);
    const results = await Promise.all(
      ["one", "two"].map((name) =>
        new Deno.Command(Deno.execPath(), {
          args: ["run", "-A", "--no-check", script.pathname, path, name, "25"],
        }).output()
      ),
    );
    for (const { code, stderr } of results) {
      assertEquals(code, 0, new TextDecoder().decode(stderr));
    }
    const table = await storeIn(path).read();
    assertEquals([table.get("one")!.size, table.get("two")!.size], [25, 25]);
    const names = Object.keys(await listFiles(path));
    assertEquals(names, [".salt", "secrets.enc"]);
  });

  it("stores the result of many changes, in both encodings", async () => {
    const random = new Random();
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const file = `${path}/secrets.enc`;
    const expected: SecretTable = new Map();
    await storeIn(path).init();
    for (let round = 0; round < 60; round++) {
      const [group, key] = [random.text(1, "abc"), random.text(1, "xyz_")];
      const value = random.text(random.below(40), 'aä\n"\\ ');
      const isRemoval = random.below(4) === 0;
      const change = (table: SecretTable) => {
        if (isRemoval) table.delete(group);
        else addSecrets(table, group, [[key, value]]);
      };
      change(expected);
      await storeIn(path).update(change);
      assertEquals(await storeIn(path).read(), expected, `seed ${random.seed}`);
      if (round !== 30) continue;
      const token = await Deno.readFile(file);
      assertEquals(token[0], 0x80);
      await Deno.writeTextFile(file, token.toBase64({ alphabet: "base64url" }));
    }
    assertEquals((await Deno.readTextFile(file)).startsWith("gAAAAA"), true);
  });
});
