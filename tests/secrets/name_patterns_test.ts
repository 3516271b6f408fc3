import { SECRET_OPTIONS } from "../../src/options/security_options.ts";
import { assert, assertEquals } from "@std/assert";
import { nameMatcher } from "../../src/secrets/collect.ts";
import { Random } from "../helpers/random.ts";

Deno.test("nameMatcher() matches whole names, in any letter case", () => {
  const match = nameMatcher(["*_TOKEN", "DB_*_KEY", "PIN"]);
  const names = {
    API_TOKEN: "*_TOKEN",
    _token: "*_TOKEN",
    API_TOKEN_2: undefined,
    db_main_key: "DB_*_KEY",
    // The star matches the text between two underscores.
    DB_KEY: undefined,
    DB__KEY: "DB_*_KEY",
    pin: "PIN",
    PINS: undefined,
  };
  for (const [name, pattern] of Object.entries(names)) {
    assertEquals(match(name), pattern, name);
  }
  assertEquals(nameMatcher([])(""), undefined);
});

Deno.test("nameMatcher() agrees with regular expressions", () => {
  const random = new Random();
  for (let round = 0; round < 20_000; round++) {
    const pattern = random.text(random.below(7), "aB*_.");
    const name = random.text(random.below(7), "Ab_.");
    const rule = pattern.split("*").map(RegExp.escape).join(".*");
    assertEquals(
      nameMatcher([pattern])(name) !== undefined,
      new RegExp(`^${rule}$`, "i").test(name),
      `${pattern} ${name}, seed ${random.seed}`,
    );
  }
});

Deno.test("the default patterns match names without a prefix", () => {
  const option = SECRET_OPTIONS.find(({ name }) =>
    name === "secret_env_patterns"
  );
  assert(option?.name === "secret_env_patterns");
  const match = nameMatcher(option.default.split(","));
  for (const name of ["TOKEN", "GH_TOKEN", "PGPASSWORD", "SECRET"]) {
    assertEquals(match(name) !== undefined, true, name);
  }
  for (const name of ["PATH", "TOKENS", "KEYBOARD", "MAX_TOKENS"]) {
    assertEquals(match(name), undefined, name);
  }
});
