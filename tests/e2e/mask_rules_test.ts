import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { runCli } from "../helpers/cli.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const SECRET = "correct-horse-battery";

/** Runs the command line in a directory of its own. */
async function runIn(
  args: string[],
  env: Record<string, string> = {},
  files: Record<string, string> = {},
) {
  await using directory = await temporaryDirectory();
  await makeFiles(directory.path, files);
  return await runCli(args, { cwd: directory.path, env });
}

describe("runnerlib run masks variables by their names", () => {
  it("of the process, of the job and of a step", async () => {
    const { stdout } = await runIn(
      ["run", "--job-file", "job.yaml"],
      { DEPLOY_TOKEN: `process-${SECRET}` },
      {
        "job.yaml": `
environment: { db_password: job-${SECRET}, PLAIN: plain-text }
secret_env_names: ""
steps:
  - name: only
    env: { STEP_API_KEY: step-${SECRET} }
    run: echo $DEPLOY_TOKEN $db_password $STEP_API_KEY $PLAIN
`,
      },
    );
    assertEquals(stdout, "[REDACTED] [REDACTED] [REDACTED] plain-text\n");
  });

  it("with patterns of the caller, not of a job file", async () => {
    const args = ["run", "--job-command", "echo $A_TOKEN $A_PIN"];
    const env = { A_TOKEN: `token-${SECRET}`, A_PIN: `pin-${SECRET}` };
    const chosen = await runIn(
      [...args, "--secret-env-patterns", "*_PIN"],
      env,
    );
    assertEquals(chosen.stdout, `token-${SECRET} [REDACTED]\n`);
    const byVariable = await runIn(args, {
      ...env,
      REACTORCIDE_SECRET_ENV_PATTERNS: "a_*",
    });
    assertEquals(byVariable.stdout, "[REDACTED] [REDACTED]\n");
    for (const key of ["secret_env_patterns", "mask_min_length", "mask"]) {
      const { code, stderr } = await runIn(
        ["run", "--job-file", "job.yaml"],
        env,
        { "job.yaml": `command: echo hi\n${key}: "60"\n` },
      );
      assertEquals(code, 1);
      assertStringIncludes(stderr, key);
    }
  });

  it("with the default patterns as well, if none of the caller's matches", async () => {
    const args = ["run", "--job-command", "echo $A_TOKEN"];
    const env = { A_TOKEN: `token-${SECRET}` };
    const run = async (patterns: string) =>
      (await runIn([...args, `--secret-env-patterns=${patterns}`], env)).stdout;
    assertEquals(await run("*_TOKN,*_PIN"), "[REDACTED]\n");
    // The list is empty on purpose.
    assertEquals(await run("none"), `token-${SECRET}\n`);
  });

  it("with names from the process and a job file", async () => {
    const { stdout } = await runIn(
      ["run", "--job-file", "job.yaml", "--secret-env-names", "C"],
      {
        REACTORCIDE_SECRET_ENV_NAMES: "A",
        ...{ A: `a-${SECRET}`, B: `b-${SECRET}`, C: `c-${SECRET}` },
      },
      { "job.yaml": "command: echo $A $B $C\nsecret_env_names: [B]\n" },
    );
    assertEquals(stdout, "[REDACTED] [REDACTED] [REDACTED]\n");
  });
});

describe("runnerlib run --mask-min-length", () => {
  const args = ["run", "--secret-values-list", "abc,seven77"];
  const command = ["--job-command", "echo abcd seven77"];

  it("masks values of 3 bytes and more, or fewer", async () => {
    const short = await runIn([...args, ...command]);
    assertEquals(short.stdout, "[REDACTED]d [REDACTED]\n");
    const four = await runIn([...args, "--mask-min-length", "4", ...command]);
    assertEquals(four.stdout, "abcd [REDACTED]\n");
    const long = await runIn([...args, "--mask-min-length=8", ...command]);
    assertEquals(long.stdout, "abcd seven77\n");
    assertStringIncludes(long.stderr, "secret_values_list is too short");
  });

  it("rejects invalid lengths, and cannot be set by a variable", async () => {
    const wrong = await runIn([...args, "--mask-min-length", "2", ...command]);
    assertEquals(wrong.code, 1);
    assertStringIncludes(wrong.stderr, "from 3 to 64");
    const set = await runIn([...args, ...command], {
      REACTORCIDE_MASK_MIN_LENGTH: "20",
      REACTORCIDE_MASK: "false",
    });
    assertEquals(set.stdout, "[REDACTED]d [REDACTED]\n");
  });
});

describe("runnerlib run --no-mask", () => {
  const args = ["run", "--job-env", `A=${SECRET}`, "--job-command", "echo $A"];

  it("prints everything, and warns at any log level", async () => {
    const { stdout, stderr } = await runIn([...args, "--no-mask"], {
      LOG_LEVEL: "error",
    });
    assertEquals(stdout, `${SECRET}\n`);
    assertStringIncludes(stderr, "MASKING IS OFF");
  });

  it("cannot be abbreviated", async () => {
    for (const flag of ["--no-mas", "--nomask", "--no-masks"]) {
      const { code, stdout } = await runIn([...args, flag]);
      assertEquals([code, stdout], [2, ""], flag);
    }
    const { stdout } = await runIn([...args, "--mask"]);
    assertEquals(stdout, "[REDACTED]\n");
  });

  it("passes no secrets to an untrusted step", async () => {
    const { stdout } = await runIn(
      ["run", "--no-mask", "--job-file", "job.yaml"],
      {},
      {
        "job.yaml": `
environment: { HARMLESS_NAME: ${SECRET} }
steps:
  - name: only
    untrusted: true
    run: 'echo "<$HARMLESS_NAME>"'
`,
      },
    );
    assertEquals(stdout, "<>\n");
  });
});

describe("runnerlib explain-masks", () => {
  it("shows names, rules and the number of forms, and no value", async () => {
    const { code, stdout, stderr } = await runIn(
      [
        ...["explain-masks", "--job-file", "job.yaml"],
        ...["--git-url", `https://me:url-${SECRET}@host/x`],
      ],
      {
        DEPLOY_TOKEN: `process-${SECRET}`,
        REACTORCIDE_API_TOKEN: "0123456789",
      },
      {
        "job.yaml": `
environment: { PIN: "12", LISTED: job-${SECRET} }
secret_env_names: [PIN, LISTED]
secret_values_list: value-${SECRET}
steps:
  - name: only
    env: { STEP_API_KEY: step-${SECRET} }
    run: 'true'
`,
      },
    );
    assertEquals(code, 0, stderr);
    const lines = stdout.trimEnd().split("\n")
      .map((line) => line.replace(/\d+(?= +-$)/, "N").replace(/ {2,}/g, " | "));
    assertEquals(lines.toSorted(), [
      "DEPLOY_TOKEN | name matches *TOKEN | N | -",
      "LISTED | listed name | N | -",
      "NAME | WHY | FORMS | HITS",
      "PIN | listed name | too short | -",
      "REACTORCIDE_API_TOKEN | always secret | N | -",
      "STEP_API_KEY | name matches *API_KEY | N | -",
      "secret_values_list | listed value | N | -",
      "source_url | in a URL | N | -",
    ]);
    const columns = stdout.trimEnd().split("\n")
      .map((line) => line.search(/ (WHY|name|listed|always|in a)/));
    assertEquals(new Set(columns).size, 1, stdout);
    assert(!(stdout + stderr).includes("horse"), stdout + stderr);
  });

  it("needs neither a command nor a secret", async () => {
    const { code, stdout } = await runIn(["explain-masks"]);
    assertEquals([code, stdout], [0, "Nothing is masked\n"]);
  });

  it("reports the rest if a reference cannot be resolved", async () => {
    const { code, stdout, stderr } = await runIn([
      ...["explain-masks", "--job-env", "A=${secret:db:KEY}"],
      ...["--secret-values-list", SECRET],
    ], { XDG_CONFIG_HOME: "/nonexistent" });
    assertEquals(code, 1);
    assertStringIncludes(stdout, "secret_values_list  listed value");
    assertStringIncludes(stderr, "db");
  });
});

describe("a name in secret_env_names that no variable has", () => {
  const JOB = `
environment: { DB_PASS: job-${SECRET}, OTHER: other-${SECRET} }
command: echo $DB_PASS $OTHER
`;

  it("leaves all variables of the job masked, and is a warning", async () => {
    for (const names of ["[DB_PAS]", "[OTHER, DB_PAS]", "DB_PAS"]) {
      const { code, stdout, stderr } = await runIn(
        ["run", "--job-file", "job.yaml"],
        {},
        { "job.yaml": `${JOB}secret_env_names: ${names}\n` },
      );
      assertEquals([code, stdout], [0, "[REDACTED] [REDACTED]\n"]);
      assertStringIncludes(
        stderr,
        'there is no variable "DB_PAS" (did you mean "DB_PASS"?); all variables of the job are masked',
      );
    }
  });

  it("can be `none` for no variable", async () => {
    for (const names of ["none", "[NONE]", "[]"]) {
      const { code, stdout, stderr } = await runIn(
        ["run", "--job-file", "job.yaml"],
        {},
        {
          "job.yaml": `
environment: { STAGE: production, API_TOKEN: ${SECRET} }
command: echo $STAGE $API_TOKEN
secret_env_names: ${names}
`,
        },
      );
      assertEquals([code, stdout], [0, "production [REDACTED]\n"]);
      assertEquals(stderr.includes("warning"), false, stderr);
    }
    const { stdout } = await runIn(
      ["run", "--job-file", "job.yaml"],
      {},
      { "job.yaml": `${JOB}secret_env_names: [none, OTHER]\n` },
    );
    assertEquals(stdout, "[REDACTED] [REDACTED]\n");
  });

  it("is an error of validate, as is a pattern", async () => {
    const { code, stderr } = await runIn(
      ["validate", "--no-check-files", "--job-file", "job.yaml"],
      {},
      { "job.yaml": `${JOB}secret_env_names: [DB_PAS, "XYZ_*", OTHER]\n` },
    );
    assertEquals(code, 1);
    assertStringIncludes(
      stderr,
      'secret_env_names: there is no variable "DB_PAS" (did you mean "DB_PASS"?)\n',
    );
    assertStringIncludes(
      stderr,
      'there is no variable "XYZ_*" (patterns belong in secret_env_patterns)',
    );
    assertEquals(stderr.includes('"OTHER"'), false);
  });

  it("is not one of the process, a step, a matrix or a secrets file", async () => {
    const { code, stdout, stderr } = await runIn(
      [
        ...["validate", "--no-check-files", "--job-file", "job.yaml"],
        ...["--secrets-file", "vars"],
      ],
      { OF_PROCESS: `process-${SECRET}`, EMPTY: "" },
      {
        vars: "OF_FILE=x\n",
        "job.yaml": `
secret_env_names: [OF_PROCESS, EMPTY, OF_STEP, OF_MATRIX, ADDED, ITEM, OF_FILE, REACTORCIDE_OUTPUT_ONE_KEY]
steps:
  - { name: one, run: x, env: { OF_STEP: x } }
  - { name: two, run: x, for_each: [a] }
  - { name: three, run: x, matrix: { OF_MATRIX: [a], include: [{ ADDED: b }] } }
`,
      },
    );
    assertEquals([code, stdout], [0, "The configuration is valid\n"], stderr);
  });

  it("has no effect if an empty list declares nothing secret", async () => {
    const { stdout } = await runIn(
      ["run", "--job-file", "job.yaml"],
      {},
      { "job.yaml": `${JOB}secret_env_names: []\n` },
    );
    assertEquals(stdout, `job-${SECRET} other-${SECRET}\n`);
  });
});
