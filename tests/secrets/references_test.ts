import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RunnerError } from "../../src/errors.ts";
import {
  findReferences,
  isSecretKey,
  isSecretPath,
  resolveReferences,
} from "../../src/secrets/references.ts";
import { referenceProblem } from "../../src/schema/reference.ts";
import { Random } from "../helpers/random.ts";

const SECRETS: Record<string, string> = {
  "db:PASSWORD": "hunter2",
  "prod/db_1:API-KEY": "s3cr3t",
  "a:b": "${secret:db:PASSWORD} ${env:HOME} $& $1 $$",
  "a:empty": "",
};

/** Resolves values with the secrets above, and records the lookups. */
async function resolve(
  values: Record<string, string>,
  env: Record<string, string> = {},
) {
  const asked: string[] = [];
  const lookup = (path: string, key: string) => {
    asked.push(`${path}:${key}`);
    return SECRETS[`${path}:${key}`];
  };
  return { ...await resolveReferences(values, { lookup, env }), asked };
}

/** The value of a single variable. */
async function valueOf(text: string, env?: Record<string, string>) {
  return (await resolve({ A: text }, env)).values.A;
}

/** Returns the message of the error if values cannot be resolved. */
async function refusal(values: Record<string, string>): Promise<string> {
  const error = await assertRejects(() => resolve(values), RunnerError);
  assertEquals(error.code, "invalid-config");
  return error.message;
}

describe("findReferences()", () => {
  it("finds secrets and variables from left to right", () => {
    assertEquals(findReferences("${env:A}x${secret:p/q:k}${env:B_1}"), [
      { kind: "env", name: "A" },
      { kind: "secret", path: "p/q", key: "k" },
      { kind: "env", name: "B_1" },
    ]);
    assertEquals(findReferences("${secret:${env:STAGE}/db:KEY}"), [
      { kind: "secret", path: "${env:STAGE}/db", key: "KEY" },
      { kind: "env", name: "STAGE" },
    ]);
    assertEquals(findReferences("plain ${HOME} $(x)"), []);
  });
});

describe("resolveReferences() replaces", () => {
  it("secrets, anywhere in a value and several times", async () => {
    assertEquals(await valueOf("${secret:db:PASSWORD}"), "hunter2");
    assertEquals(
      await valueOf(
        "pg://me:${secret:db:PASSWORD}@h/${secret:prod/db_1:API-KEY}${secret:db:PASSWORD}",
      ),
      "pg://me:hunter2@h/s3cr3thunter2",
    );
  });

  it("nothing else, since there are no escapes", async () => {
    assertEquals(await valueOf("$${secret:db:PASSWORD}"), "$hunter2");
    assertEquals(await valueOf("\\${secret:db:PASSWORD}"), "\\hunter2");
  });

  it("variables, and missing ones with nothing", async () => {
    assertEquals(
      await valueOf("<${env:HOME}|${env:NONE}|${env:toString}>", {
        HOME: "/root",
      }),
      "</root||>",
    );
  });

  it("variables first, so that they can name a secret", async () => {
    const env = { STAGE: "prod", N: "1", KEY: "API-KEY" };
    assertEquals(
      await valueOf("${secret:${env:STAGE}/db_${env:N}:${env:KEY}}", env),
      "s3cr3t",
    );
  });

  it("nothing that only looks like a reference", async () => {
    for (
      const text of [
        ...["{secret:db:k}", "$ {env:A}", "${", "", "${secret}", "${other:a}"],
        // A shell expands these.
        ...["${secret:-default}", "${env:=x}", "${secret:?gone}", "${env:+y}"],
        ...["${env:1}", "${secret: -1}", "${e:f}", "${ENV}"],
      ]
    ) {
      const { values, secrets, asked } = await resolve({ A: text });
      assertEquals([values.A, secrets, asked], [text, [], []]);
    }
  });

  it("no malformed reference, and reports its syntax", async () => {
    for (
      const text of [
        ...[
          "${secret:db}",
          "${secret:db:}",
          "${secret::k}",
          "${secret:a:b:c/d}",
        ],
        ...["${secret: db:k}", "${secret:db:k }", "${secret:d.b:k}"],
        ...["${secret:db:k/l}", "${Secret:db:k}", "${secrets:db:k}"],
        ...["${secret:dä:k}", "${secret:db\n:k}", "x${sercet:a:b}y"],
        ...["${env:}", "${env:A-B}", "${ENV:A}", "${env:A", "${envs:A}"],
        ...["${secret:${env:NONE}:k}", "${secret:${env:ODD}:k}"],
      ]
    ) {
      const error = await assertRejects(
        () => resolve({ A: text }, { ODD: "a b" }),
        RunnerError,
        'Cannot resolve references:\n  "A" has a ',
      );
      assert(!error.message.includes("db"), error.message);
    }
  });
});

describe("resolveReferences()", () => {
  it("looks nothing up without a reference to a secret", async () => {
    const { values, secrets, asked } = await resolve(
      { A: "plain", B: "${env:X}", C: "" },
      { X: "x" },
    );
    assertEquals({ ...values }, { A: "plain", B: "x", C: "" });
    assertEquals([secrets, asked], [[], []]);
  });

  it("looks each secret up once and reports it once", async () => {
    const { secrets, asked } = await resolve({
      A: "${secret:db:PASSWORD}${secret:db:PASSWORD}",
      B: "${secret:prod/db_1:API-KEY}",
      C: "${secret:db:PASSWORD}",
    });
    assertEquals(asked, ["db:PASSWORD", "prod/db_1:API-KEY"]);
    assertEquals(secrets, [
      { name: "${secret:db:PASSWORD}", value: "hunter2", rule: "reference" },
      {
        name: "${secret:prod/db_1:API-KEY}",
        value: "s3cr3t",
        rule: "reference",
      },
    ]);
  });

  it("does not resolve references in resolved values", async () => {
    const { values, asked } = await resolve({
      A: "${secret:a:b}",
      B: "${env:MESSAGE}${env:HALF}db:PASSWORD}",
    }, { MESSAGE: "${secret:db:PASSWORD} ${env:HOME}", HALF: "${secret:" });
    assertEquals({ ...values }, {
      A: SECRETS["a:b"],
      B: "${secret:db:PASSWORD} ${env:HOME}${secret:db:PASSWORD}",
    });
    assertEquals(asked, ["a:b"]);
  });

  it("reports everything that is missing, and no value", async () => {
    assertEquals(
      await refusal({
        A: "${secret:db:PASSWORD} ${secret:no:KEY}",
        B: "x${secret:no:KEY}",
        C: "${secret:a:empty}",
      }),
      `Cannot resolve references to secrets:
  "A", "B": no value for key "KEY" of path "no"
  "C": no value for key "empty" of path "a"`,
    );
  });

  it("reports the reference for which a store could not be opened", async () => {
    const cause = new RunnerError("Cannot open it", { code: "invalid-config" });
    const error = await assertRejects(
      () =>
        resolveReferences({ A: "${secret:a:b}" }, {
          env: {},
          lookup: () => Promise.reject(cause),
        }),
      RunnerError,
      `Cannot look up key "b" of path "a" for "A": Cannot open it`,
    );
    assertEquals(error.cause, cause);
  });

  it("accepts names of object members", async () => {
    const values = JSON.parse(
      `{"__proto__": "\${secret:db:PASSWORD}", "constructor": "x"}`,
    );
    const resolved = await resolve(values);
    assertEquals(Object.entries(resolved.values), [
      ["__proto__", "hunter2"],
      ["constructor", "x"],
    ]);
  });

  it("resolves many unfinished references quickly", async () => {
    for (
      const part of ["${secret:", "${secret:a", "${env:A", "${secret:${env:A}"]
    ) {
      const text = part.repeat(20_000);
      await assertRejects(() => resolve({ A: text }), RunnerError);
    }
  });

  it("agrees with a naive replacement on random text", async () => {
    const random = new Random();
    const parts = ["${", "}", ":", "secret", "env", "a", "b", "$", "${env:X}"];
    const env = { X: "a", a: "b" };
    const lookup = (path: string, key: string) => `<${path}|${key}>`;
    for (let round = 0; round < 3_000; round++) {
      const text = Array.from(
        { length: random.below(14) },
        () => random.pick([...parts, "${secret:a:b}", "${env:a}"]),
      ).join("");
      const naive = text
        .replace(
          /\$\{env:([A-Za-z_]\w*)\}/g,
          (_, name) => (env as Record<string, string>)[name] ?? "",
        )
        .replace(
          /\$\{secret:([\w/-]+):([\w-]+)\}/g,
          (_, path, key) => lookup(path, key),
        );
      const result = await resolveReferences({ A: text }, { lookup, env })
        .catch((error) => error);
      if (result instanceof RunnerError) {
        assert(
          referenceProblem(text) !== undefined || naive.includes("${secret:"),
          `seed ${random.seed}: ${text}`,
        );
      } else {
        assertEquals(result.values.A, naive, `seed ${random.seed}: ${text}`);
      }
    }
  });
});

describe("isSecretPath() and isSecretKey()", () => {
  it("accept what a reference can name", () => {
    for (const name of ["a", "A-b_9"]) {
      assertEquals([isSecretPath(name), isSecretKey(name)], [true, true]);
    }
    assertEquals([isSecretPath("a/b"), isSecretKey("a/b")], [true, false]);
    for (const name of ["", "a b", "a:b", "a.b", "ä", "a\n", "a}"]) {
      assertEquals([isSecretPath(name), isSecretKey(name)], [false, false]);
    }
  });
});
