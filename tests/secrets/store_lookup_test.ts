import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RunnerError } from "../../src/errors.ts";
import {
  secretsDirectory,
  storeLookup,
} from "../../src/secrets/store/lookup.ts";
import { SecretStore } from "../../src/secrets/store/store.ts";
import { addSecrets } from "../../src/secrets/store/store_table.ts";
import { temporaryDirectory } from "../helpers/temporary_directory.ts";

describe("secretsDirectory()", () => {
  it("is in the configuration directory of the user", () => {
    const below = "/home/me/.config/reactorcide/secrets";
    for (
      const [env, directory] of [
        [
          { XDG_CONFIG_HOME: "/cfg", HOME: "/home/me" },
          "/cfg/reactorcide/secrets",
        ],
        [{ XDG_CONFIG_HOME: "/cfg/" }, "/cfg/reactorcide/secrets"],
        [{ HOME: "/home/me" }, below],
        [{ XDG_CONFIG_HOME: "", HOME: "/home/me" }, below],
        [{ XDG_CONFIG_HOME: "relative", HOME: "/home/me" }, below],
      ] as [Record<string, string>, string][]
    ) assertEquals(secretsDirectory(env), directory);
  });

  it("fails if the environment does not determine it", () => {
    const envs: Record<string, string>[] = [{}, { HOME: "" }, { HOME: "me" }];
    for (const env of envs) {
      assertThrows(
        () => secretsDirectory(env),
        RunnerError,
        "Cannot find the secret store",
      );
    }
  });
});

describe("storeLookup()", () => {
  it("returns secrets of the store, and opens it only once", async () => {
    await using home = await temporaryDirectory();
    const env = {
      XDG_CONFIG_HOME: home.path,
      REACTORCIDE_SECRETS_PASSWORD: "correct horse",
    };
    const directory = secretsDirectory(env);
    const store = new SecretStore({
      directory,
      password: () => "correct horse",
      cost: 16,
    });
    await store.init();
    await store.update((table) => addSecrets(table, "demo", [["A", "alpha"]]));
    const lookup = storeLookup(env, { cost: 16 });
    assertEquals(await lookup("demo", "A"), "alpha");
    await Deno.remove(directory, { recursive: true });
    assertEquals(await lookup("demo", "A"), "alpha");
    for (const [path, key] of [["demo", "B"], ["no", "A"], ["demo", "size"]]) {
      assertEquals(await lookup(path, key), undefined);
    }
  });

  it("does not open the store before the first lookup, and reports what is missing", async () => {
    await using home = await temporaryDirectory();
    const env = { XDG_CONFIG_HOME: home.path };
    const lookup = storeLookup(env, { cost: 16 });
    await assertRejects(
      async () => await lookup("demo", "A"),
      RunnerError,
      "it does not contain a secret store",
    );
    const directory = secretsDirectory(env);
    await new SecretStore({ directory, password: () => "pw", cost: 16 }).init();
    await assertRejects(
      async () => await storeLookup(env, { cost: 16 })("demo", "A"),
      RunnerError,
      `Cannot open "${directory}": REACTORCIDE_SECRETS_PASSWORD is not set`,
    );
  });
});
