import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { SECRET_VARIABLES } from "../../src/environment/variables.ts";
import {
  collectSecrets,
  GUESS,
  type SecretSources,
} from "../../src/secrets/collect.ts";

/** Collects secrets from the given sources only. */
function valuesOf(sources: Partial<SecretSources>): string[] {
  const secrets = collectSecrets({
    jobEnv: {},
    env: {},
    secretEnvNames: [],
    secretEnvPatterns: [],
    secretValues: [],
    hidesJobEnv: false,
    ...sources,
  });
  return secrets.map(({ value }) => value);
}

Deno.test("collectSecrets() finds a secret that is added to the variables later", () => {
  const env: Record<string, string> = { DB: "postgres://user:first@db" };
  const find = () =>
    collectSecrets({
      env,
      jobEnv: {},
      secretEnvNames: [],
      secretEnvPatterns: [],
      secretValues: [],
      hidesJobEnv: false,
    }).map(({ value }) => value);
  assertEquals(find(), ["first"]);
  env.DB = "postgres://user:second@db";
  assertEquals(find(), ["second"]);
  env.MIRROR = "https://user:third@host";
  assertEquals(find(), ["second", "third"]);
});

Deno.test("collectSecrets() distinguishes names of secrets from ordinary names", () => {
  const rules = (names: readonly string[]) =>
    collectSecrets({
      jobEnv: Object.fromEntries(names.map((name) => [name, "word"])),
      env: {},
      secretEnvNames: [],
      secretEnvPatterns: [],
      secretValues: [],
      hidesJobEnv: true,
    }).map(({ rule }) => rule === GUESS);
  const secret = ["OTP", "DB_PW", "MY_OTP_2", "JWT", "DB_DSN", "WALLET_SEED"];
  assertEquals(rules(secret), secret.map(() => false));
  const ordinary = ["STAGE", "OPTION", "POWER", "OPTPARSE", "SEEDS", "SASS"];
  assertEquals(rules(ordinary), ordinary.map(() => true));
});

describe("collectSecrets() finds listed variables", () => {
  const jobEnv = { A: "job-a", B: "job-b", REACTORCIDE_X: "job-x" };

  it("of the job and of the runner", () => {
    const env = { A: "runner-a", C: "runner-c", D: "runner-d" };
    assertEquals(
      valuesOf({ jobEnv, env, secretEnvNames: ["A", "C", "REACTORCIDE_X"] })
        .sort(),
      ["job-a", "job-x", "runner-a", "runner-c"],
    );
  });

  it("and no others, even if the list is empty", () => {
    assertEquals(valuesOf({ jobEnv, secretEnvNames: [] }), []);
    assertEquals(valuesOf({ jobEnv, secretEnvNames: ["Z", ""] }), []);
  });

  it("unless they are empty, with any content", () => {
    assertEquals(
      valuesOf({ jobEnv: { A: "", B: "true" }, secretEnvNames: ["A", "B"] }),
      ["true"],
    );
  });

  it("but no inherited properties of objects", () => {
    const secretEnvNames = ["constructor", "toString", "__proto__", "valueOf"];
    assertEquals(valuesOf({ jobEnv, secretEnvNames }), []);
    const own = JSON.parse('{"__proto__": "one", "constructor": "two"}');
    assertEquals(valuesOf({ jobEnv: own, secretEnvNames }).sort(), [
      "one",
      "two",
    ]);
  });

  it("with their names", () => {
    const [secret] = collectSecrets({
      jobEnv,
      env: {},
      secretEnvNames: ["A"],
      secretEnvPatterns: [],
      secretValues: [],
      hidesJobEnv: false,
    });
    assertEquals(secret, { name: "A", value: "job-a", rule: "listed name" });
  });
});

describe("collectSecrets() finds variables by name", () => {
  const secretEnvPatterns = ["*_TOKEN", "DB_*_URL", "*.KEY"];

  it("of the job and of the runner, in any letter case", () => {
    assertEquals(
      valuesOf({
        jobEnv: { NPM_TOKEN: "job", db_main_url: "url", TOKEN: "no" },
        env: { NPM_TOKEN: "runner", NPM_TOKENS: "no", _TOKEN: "short" },
        secretEnvPatterns,
        secretEnvNames: [],
      }),
      ["runner", "short", "job", "url"],
    );
  });

  it("by the whole name, with the star as the only wildcard", () => {
    assertEquals(
      valuesOf({
        env: { "A.KEY": "dot", AXKEY: "no", "X_TOKEN\n": "no" },
        secretEnvPatterns,
      }),
      ["dot"],
    );
  });

  it("unless the value is a common word", () => {
    const env = { A_TOKEN: "true", B_TOKEN: "", C_TOKEN: "None" };
    assertEquals(valuesOf({ env, secretEnvPatterns }), []);
  });

  it("with the pattern, by the first rule that applies", () => {
    const secrets = collectSecrets({
      jobEnv: { A_TOKEN: "t0ken" },
      env: { A_TOKEN: "t0ken", B_TOKEN: "other" },
      secretEnvNames: ["A_TOKEN"],
      secretEnvPatterns,
      secretValues: [],
      hidesJobEnv: false,
    });
    assertEquals(secrets, [
      { name: "A_TOKEN", value: "t0ken", rule: "listed name" },
      { name: "B_TOKEN", value: "other", rule: "name matches *_TOKEN" },
    ]);
  });
});

describe("collectSecrets() finds listed values", () => {
  it("and no others, even if the list is empty", () => {
    const jobEnv = { A: "job-a" };
    assertEquals(valuesOf({ jobEnv, secretValues: ["one", "true"] }), [
      "one",
      "true",
    ]);
    assertEquals(valuesOf({ jobEnv, secretValues: [] }), []);
  });

  it("in addition to listed variables", () => {
    assertEquals(
      valuesOf({
        jobEnv: { A: "job-a", B: "job-b" },
        secretEnvNames: ["A"],
        secretValues: ["one"],
      }),
      ["job-a", "one"],
    );
  });
});

describe("collectSecrets() with hidesJobEnv", () => {
  it("finds the variables of the job, but not those of the system", () => {
    assertEquals(
      valuesOf({
        jobEnv: {
          TOKEN: "t0ken",
          reactorcide_lower: "lower",
          REACTORCIDE_CODE_DIR: "/job/src",
          XREACTORCIDE_: "x",
        },
        env: { PATH: "/bin", HOME: "/root", OTHER: "other" },
        hidesJobEnv: true,
      }),
      ["t0ken", "lower", "x"],
    );
  });

  it("recognizes names of secrets", () => {
    const jobEnv = {
      DB_PASS: "hunter",
      session: "abc",
      MY_PIN: "1234",
      SPINNER: "dots",
      STAGE: "test",
    };
    const secrets = collectSecrets({
      jobEnv,
      env: {},
      secretEnvNames: [],
      secretEnvPatterns: [],
      secretValues: [],
      hidesJobEnv: true,
    });
    assertEquals(
      secrets.filter(({ rule }) => rule !== GUESS).map(({ name }) => name),
      ["DB_PASS", "session", "MY_PIN"],
    );
    assertEquals(
      secrets.filter(({ rule }) => rule === GUESS).map(({ name }) => name),
      ["SPINNER", "STAGE"],
    );
  });

  it("ignores common words", () => {
    assertEquals(
      valuesOf({
        jobEnv: {
          ...{ A: "true", B: "False", C: "NULL", D: "none", E: "" },
          ...{ F: "truely", G: " true" },
        },
        hidesJobEnv: true,
      }),
      ["truely", " true"],
    );
  });
});

describe("collectSecrets() always finds", () => {
  it("the token of the coordinator", () => {
    for (const secretEnvNames of [[], ["X"]]) {
      assertEquals(
        valuesOf({
          env: { REACTORCIDE_API_TOKEN: "api" },
          jobEnv: { REACTORCIDE_API_TOKEN: "other" },
          secretEnvNames,
        }),
        ["api", "other"],
      );
    }
  });

  it("every variable that is secret by definition", () => {
    const env = Object.fromEntries(
      SECRET_VARIABLES.map((name) => [name, `value of ${name}`]),
    );
    assertEquals(
      valuesOf({ env, secretEnvNames: [], secretValues: [] }).sort(),
      Object.values(env).sort(),
    );
  });

  it("credentials in headers for collectors", () => {
    const env = {
      OTEL_EXPORTER_OTLP_HEADERS:
        "x-scope-orgid=blue, authorization=Bearer%20abc%2Bdef",
      OTEL_EXPORTER_OTLP_TRACES_HEADERS:
        "api-key=k-9912,x-team=a-long-text-of-22-letters,broken",
      OTEL_EXPORTER_OTLP_METRICS_HEADERS: `Authorization=Basic ${
        btoa("user:hunter22")
      }`,
      OTEL_EXPORTER_OTLP_LOGS_HEADERS: "x-token=log-token",
    };
    const found = valuesOf({ env });
    for (
      const secret of [
        ...["Bearer%20abc%2Bdef", "Bearer abc+def", "abc%2Bdef", "abc+def"],
        ...["k-9912", "a-long-text-of-22-letters", "hunter22", "log-token"],
        ...[btoa("user:hunter22")],
      ]
    ) assert(found.includes(secret), secret);
    assertEquals(found.includes("blue"), false);
  });

  it("credentials in headers for git", () => {
    const basic = btoa("x-access-token:hunter2");
    const env = {
      GIT_CONFIG_COUNT: "4",
      GIT_CONFIG_KEY_0: "http.https://git.example.com/.extraHeader",
      GIT_CONFIG_VALUE_0: `Authorization: Basic ${basic}`,
      GIT_CONFIG_KEY_1: "http.extraheader",
      GIT_CONFIG_VALUE_1: "AUTHORIZATION: bearer abc.def",
      GIT_CONFIG_KEY_2: "http.extraHeader",
      GIT_CONFIG_VALUE_2: "PRIVATE-TOKEN:glpat-1",
      GIT_CONFIG_KEY_3: "safe.directory",
      GIT_CONFIG_VALUE_3: "Authorization: Basic no-header",
      GIT_CONFIG_KEY_4: "http.extraHeader",
    };
    assertEquals(
      valuesOf({ env, secretEnvNames: [] }),
      [basic, "hunter2", "abc.def", "glpat-1"],
    );
  });

  it("credentials among several values of a header for git", () => {
    const headers = {
      "Cookie: session=abc-def-123; lang=en; csrf=ghijklmn": [
        "abc-def-123",
        "ghijklmn",
      ],
      'Authorization: Digest username="me", response="6629fae49393"': [
        "6629fae49393",
      ],
      "X-Token: two words more": ["two words more"],
    };
    for (const [header, values] of Object.entries(headers)) {
      const env = {
        GIT_CONFIG_KEY_0: "http.extraHeader",
        GIT_CONFIG_VALUE_0: header,
      };
      const found = valuesOf({ env, secretEnvNames: [] });
      for (const value of values) assert(found.includes(value), value);
      assertEquals(found.includes("en"), false);
    }
  });

  it("the password in a URL, as written and decoded", () => {
    const urls = {
      "https://me:p%40ss@host/x": ["p%40ss", "p@ss"],
      "https://me:plain@host/x": ["plain"],
      "https://me:a:b@host": ["a:b"],
      "https://me:a@b@host": ["a@b"],
      "https://me:100%@host": ["100%"],
      "HTTPS://me:plain@host": ["plain"],
      "ssh://git:plain@host:22/x": ["plain"],
      "http://x-access-token:plain@host?q=@": ["plain"],
    };
    for (const [url, values] of Object.entries(urls)) {
      assertEquals(valuesOf({ env: { A: url } }), values, url);
    }
  });

  it("a token in place of the user", () => {
    const urls = [
      "https://t0ken@host/x",
      "http://t0ken@host",
      "https://t0ken:@host/x",
      "https://t0ken:x-oauth-basic@host/x",
    ];
    for (const url of urls) {
      assertEquals(valuesOf({ env: { A: url } }).includes("t0ken"), true, url);
    }
  });

  it("nothing in a URL without a secret", () => {
    const urls = [
      "https://host/x",
      "https://host:8080/a@b",
      "https://host?a:b@c",
      "https://host#a:b@c",
      "https://@host/x",
      "ssh://git@host/x",
      "ssh://git:@host/x",
      "git@host:path",
      "file:///a:b@c",
      "/local/a:b@c",
      "",
    ];
    for (const url of urls) {
      assertEquals(valuesOf({ env: { A: url } }), [], url);
    }
  });
});
