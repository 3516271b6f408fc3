import {
  assertEquals,
  assertNotStrictEquals,
  assertStrictEquals,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { defaultLayer, Settings } from "../../src/config/settings.ts";
import { createLogger } from "../../src/output/logger.ts";
import {
  KnownSecrets,
  type SecretsInput,
} from "../../src/runner/mask_secrets.ts";
import { Masker } from "../../src/secrets/masker.ts";

describe("KnownSecrets.find()", () => {
  it("finds secrets again only after a change", () => {
    const secrets = knownSecrets();
    const input = inputOf({});
    const first = secrets.find(input);
    const again = secrets.find({ ...input, jobEnv: {} });
    assertStrictEquals(again, first);
    assertEquals(first.secrets, []);

    const { settings } = input;
    settings.set("secret_values_list", {
      value: "s3cret!",
      origin: "a plugin",
    });
    assertEquals(valuesOf(secrets.find({ ...input, jobEnv: {} })), ["s3cret!"]);
    const jobEnv = { API_TOKEN: "t0ken-123" };
    assertEquals(
      valuesOf(secrets.find({ ...input, jobEnv })).toSorted(),
      ["s3cret!", "t0ken-123"],
    );
  });

  it("looks at steps, files and other settings each time", () => {
    const secrets = knownSecrets();
    const input = inputOf({});
    const first = secrets.find(input);
    const steps = [{ name: "step", run: "curl https://u:pa55word@host/" }];
    assertEquals(valuesOf(secrets.find({ ...input, jobEnv: {}, steps })), [
      "pa55word",
    ]);
    assertNotStrictEquals(secrets.find({ ...inputOf({}), jobEnv: {} }), first);
    const withFile = inputOf({ secrets_file: "/missing/file" });
    const found = secrets.find(withFile);
    assertNotStrictEquals(secrets.find({ ...withFile, jobEnv: {} }), found);
  });
});

function knownSecrets(): KnownSecrets {
  const masker = new Masker();
  const logger = createLogger({
    sink: { write: () => Promise.resolve() },
    masker,
    level: "warning",
    color: false,
    style: "text",
  });
  return new KnownSecrets({ masker, logger });
}

function inputOf(values: Record<string, string>): SecretsInput {
  const settings = new Settings();
  settings.add(defaultLayer());
  settings.add(
    Object.fromEntries(
      Object.entries(values).map(([name, value]) => [
        name,
        { value, origin: "the test" },
      ]),
    ),
  );
  return { settings, env: {}, cwd: "/" };
}

function valuesOf(
  { secrets }: ReturnType<KnownSecrets["find"]>,
): string[] {
  return secrets.map(({ value }) => value);
}
