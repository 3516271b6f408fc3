import {
  assert,
  assertEquals,
  assertMatch,
  assertNotMatch,
  assertRejects,
} from "@std/assert";
import { withoutExcerpts } from "../helpers/problem_text.ts";
import { readProblems } from "../helpers/job_file.ts";
import { describe, it } from "@std/testing/bdd";
import { readJobFile } from "../../src/config/job_file.ts";
import { RunnerError } from "../../src/errors.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/**
 * Reads a job file with the given text, and returns the values of its layer.
 */
async function valuesOf(
  text: string | Uint8Array,
): Promise<Record<string, unknown>> {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/job.yaml`;
  if (typeof text === "string") await Deno.writeTextFile(path, text);
  else await Deno.writeFile(path, text);
  const { layer } = await readJobFile(path, "ci/job.yaml");
  return Object.fromEntries(
    Object.entries(layer).map(([name, { value, origin }]) => {
      assertEquals(origin, "ci/job.yaml");
      const isEnv = typeof value === "object" && !Array.isArray(value);
      return [name, isEnv ? { ...value } : value];
    }),
  );
}

/** Reads an invalid job file, and returns the lines of its error. */
async function complaintsOf(text: string | Uint8Array): Promise<string[]> {
  const error = await assertRejects(() => valuesOf(text), RunnerError);
  assertEquals(error.code, "invalid-job-file");
  assertEquals(error.exitCode, 1);
  return withoutExcerpts(error.message).split("\n");
}

describe("readJobFile() reads", () => {
  it("the flat form", async () => {
    assertEquals(
      await valuesOf(`
name: build
command: make test
image: image:1
environment:
  A: "1"
  B: two words
source: {type: git, url: https://host/x, ref: main, path: ignored}
ci_source:
  type: copy
  url: /ci
checkout: {mode: shared}
code_dir: /job/code
working_dir: /job/code/sub
timeout_seconds: 90
`),
      {
        job_command: "make test",
        runner_image: "image:1",
        job_env: { A: "1", B: "two words" },
        source_type: "git",
        source_url: "https://host/x",
        source_ref: "main",
        ci_source_type: "copy",
        ci_source_url: "/ci",
        checkout_mode: "shared",
        code_dir: "/job/code",
        job_dir: "/job/code/sub",
        timeout: "90",
      },
    );
  });

  it("the nested form", async () => {
    assertEquals(
      await valuesOf(`
name: build
description: Builds
triggers: {events: [push], branches: [main]}
paths: {include: [src/**]}
job:
  image: image:1
  command: |
    make
    make test
  timeout: 15m
  priority: 5
  code_dir: /job/code
  job_dir: /job/code/sub
  depends_on: [lint]
  capabilities: [docker]
  run_as: {user: root}
  resources: {cpu: {request: 1}}
environment: {A: b}
`),
      {
        runner_image: "image:1",
        job_command: "make\nmake test\n",
        timeout: "15m",
        code_dir: "/job/code",
        job_dir: "/job/code/sub",
        job_env: { A: "b" },
      },
    );
  });

  it("keys of the nested form at the top level, and files without a source", async () => {
    assertEquals(
      await valuesOf(`
image: image:1
job:
  command: make
  timeout_seconds: 60
  environment: {A: 1}
  source: {type: local, path: .}
secrets: [a]
raw_command: true
needs: [a]
`),
      {
        runner_image: "image:1",
        job_command: "make",
        timeout: "60",
        job_env: { A: "1" },
        source_type: "none",
      },
    );
  });

  it("the shell of a command, unless the command has its own", async () => {
    const commands: [string, string | string[]][] = [
      ["command_prefix: bash -c\ncommand: a b", ["bash", "-c", "a b"]],
      ["job: {command_prefix: zsh -e -c, command: $X}", [
        ...["zsh", "-e", "-c"],
        "$X",
      ]],
      [`command_prefix: bash -c\ncommand: sh -c 'x'`, "sh -c 'x'"],
      [`command_prefix: bash -c\ncommand: /bin/bash -c x`, "/bin/bash -c x"],
      [`command_prefix: ""\ncommand: x`, "x"],
    ];
    for (const [text, command] of commands) {
      assertEquals<unknown>((await valuesOf(text)).job_command, command, text);
    }
  });

  it("JSON", async () => {
    const document = {
      job: { command: 'say "hi"\n', timeout: 5 },
      environment: { A: "é", N: 1.5, T: true },
    };
    const values = {
      job_command: 'say "hi"\n',
      timeout: "5",
      job_env: { A: "é", N: "1.5", T: "true" },
    };
    assertEquals(await valuesOf(JSON.stringify(document)), values);
    assertEquals(await valuesOf(JSON.stringify(document, null, 2)), values);
    assertEquals(await valuesOf(JSON.stringify(document, null, "\t")), values);
  });

  it("the names of variables and flags", async () => {
    assertEquals(
      await valuesOf(
        "job_command: x\nstderr: separate\ngrace: 5s\nsecrets_file: f\n" +
          "job_env: |\n  A=1\n  B=2\nsecret_env_names: A,B\n",
      ),
      {
        job_command: "x",
        stderr: "separate",
        grace: "5s",
        secrets_file: "f",
        job_env: "A=1\nB=2\n",
        secret_env_names: "A,B",
      },
    );
  });

  it("and ignores all keys of a worker", async () => {
    const foreign = {
      ...{ name: "n", description: "d", triggers: {}, paths: {} },
      ...{ command_prefix: "p", capabilities: ["docker"] },
      ...{ image_pull_secrets: ["s"], cpu_limit: "2", memory_limit: "1Gi" },
      ...{ run_as: { user: "root" }, disable_run_local: true },
      ...{ run_local: { as_runner: true, user: "u" }, characteristics: {} },
      ...{ worker_class: "w", resources: {}, source: { path: "x" } },
    };
    assertEquals(await valuesOf(JSON.stringify(foreign)), {});
    const job = {
      ...{ priority: 1, raw_command: true, disable_run_local: true },
      ...{ capabilities: [], depends_on: ["a"], for_each: [1], item_var: "I" },
      ...{ image_pull_secrets: [], condition: "always", worker_class: "w" },
      ...{ run_as: { user: "u" }, characteristics: {}, resources: {} },
      run_local: {},
    };
    assertEquals(await valuesOf(JSON.stringify({ job })), {});
  });

  it("values as they are written", async () => {
    const written = [
      ...["yes", "No", "on", "true", "False", "1.0", "1e3", "0x10", "0o7"],
      ...["010", "1_000", "+1", "-0", ".5", ".inf", ".NaN", "1:30", "12:30:45"],
      ...["2026-01-02", "2026-01-02T03:04:05Z", "1.10", "a b", "=", "<<"],
    ];
    const lines = written.map((text, at) => `  V${at}: ${text}\n`);
    const { job_env } = await valuesOf(`environment:\n${lines.join("")}`);
    assertEquals(Object.values(job_env as Record<string, string>), written);
  });

  it("names of variables as they are written", async () => {
    const { job_env } = await valuesOf(
      "environment: {1: a, 1.0: b, true: c, 'x y': d, A.B: e}",
    );
    assertEquals(job_env, {
      1: "a",
      "1.0": "b",
      true: "c",
      "x y": "d",
      "A.B": "e",
    });
  });

  it("quoted and folded text", async () => {
    const { job_env } = await valuesOf(`environment:
  A: "a\\tb\\u00e9\\n"
  B: 'it''s'
  C: >-
    one
    two
  D: |+
    x

  E: plain # comment
  F: !!str 12
  G: &anchor text
  H: *anchor
`);
    assertEquals(job_env, {
      A: "a\tbé\n",
      B: "it's",
      C: "one two",
      D: "x\n\n",
      E: "plain",
      F: "12",
      G: "text",
      H: "text",
    });
  });

  it("nothing from an empty file", async () => {
    assertEquals(
      await valuesOf("command:\nsource:\njob: {}\nenvironment:\ntimeout:\n"),
      { job_env: {} },
    );
    assertEquals(await valuesOf("{}"), {});
  });

  it("null as missing, and as an empty string in a variable", async () => {
    assertEquals(
      await valuesOf(
        '{"command": null, "source": null, "timeout": null, "environment": {"A": null, "B": "null"}}',
      ),
      { job_env: { A: "", B: "null" } },
    );
    assertEquals(
      await valuesOf(
        "timeout: ~\nsource: ~\nenvironment: {A: ~, B: null, C: Null, D: '~', E: , F: nullable}\n",
      ),
      {
        job_env: { A: "", B: "", C: "", D: "~", E: "", F: "nullable" },
      },
    );
  });

  it("text after a byte order mark, and all kinds of line breaks", async () => {
    assertEquals(
      await valuesOf("\ufeffcommand: x\r\nenvironment:\r\n  A: b\r\n"),
      {
        job_command: "x",
        job_env: { A: "b" },
      },
    );
  });

  it("names that have a meaning in JavaScript", async () => {
    const { job_env } = await valuesOf(
      "environment: {__proto__: x, constructor: y, toString: z}",
    );
    assertEquals(Object.entries(job_env as Record<string, string>), [
      ["__proto__", "x"],
      ["constructor", "y"],
      ["toString", "z"],
    ]);
    assertEquals(Object.getPrototypeOf({}), Object.prototype);
  });
});

describe("readJobFile() reports", () => {
  it("all problems with line and column", async () => {
    assertEquals(
      await complaintsOf(`# A job
comand: make
source:
  typ: git
  url: [https://host]
environment:
  A: {nested: 1}
job:
  comand: x
timeout: {s: 1}
`),
      [
        'Cannot use job file "ci/job.yaml": 6 problems',
        'ci/job.yaml:2:1: unknown key "comand"; did you mean "command"?',
        'ci/job.yaml:4:3: unknown key "source.typ"; did you mean "source.type"?',
        "ci/job.yaml:5:3: source.url must be a single value",
        "ci/job.yaml:7:3: environment.A must be a single value",
        'ci/job.yaml:9:3: unknown key "job.comand"; did you mean "job.command"?',
        "ci/job.yaml:10:1: timeout must be a single value",
      ],
    );
  });

  it("the position of a problem in JSON", async () => {
    assertEquals(
      await complaintsOf('{"name": "x", "job": {\n  "comand": "y"}}'),
      [
        'Cannot use job file "ci/job.yaml": 1 problem',
        'ci/job.yaml:2:3: unknown key "job.comand"; did you mean "job.command"?',
      ],
    );
  });

  it("an unknown key without a suggestion if none is similar", async () => {
    for (const key of ["xyzzy", "__proto__", "constructor", "hasOwnProperty"]) {
      assertEquals(
        (await complaintsOf(`${key}: 1`))[1],
        [
          `ci/job.yaml:1:1: unknown key "${key}"`,
        ][0],
      );
    }
    assertEquals((await complaintsOf("__proto__: {command: x}")).length, 2);
  });

  it("keys that must be mappings", async () => {
    for (const key of ["source", "ci_source", "checkout", "job"]) {
      for (const value of ["text", "[a]"]) {
        assertEquals(
          (await complaintsOf(`${key}: ${value}`))[1],
          [
            `ci/job.yaml:1:1: ${key} must be a mapping of keys`,
          ][0],
        );
      }
    }
    assertEquals(
      (await complaintsOf("environment: [A=1]"))[1],
      "ci/job.yaml:1:1: environment must map names to values",
    );
  });

  it("a file that is not a mapping", async () => {
    for (const text of ["", "\n\n", "# only\n", "- a\n", "text", '"x"', "[]"]) {
      const [head, line, ...rest] = await complaintsOf(text);
      assertEquals(head, 'Cannot use job file "ci/job.yaml": 1 problem');
      assert(/^ci\/job\.yaml:\d+:\d+: the file .*must contain keys/.test(line));
      assertEquals(rest, []);
    }
  });

  it("a syntax error with line and column, without quoting the file", async () => {
    const texts = [
      'environment:\n  A: "s3cret\n',
      "environment: [s3cret\ncommand: s3cret\n",
      "environment:\n  A: s3cret: s3cret\n",
      "environment:\n  A: @s3cret\n",
      "environment:\n  A: `s3cret\n",
      "environment:\n  A: *s3cret\n",
      'environment:\n  A: *x"s3cret\n',
      "environment:\n  A: !x>s3cret y\n",
      "environment:\n  A: !s3cret x\n",
      "environment:\n  A: !<s3cret> x\n",
      "environment:\n  A: !s3cret!x y\n",
      "environment:\n  A: &s3cret &s3cret x\n",
      "environment:\n  A: %s3cret\n",
      "%s3cret s3cret\n%TAG s3cret s3cret\n---\ncommand: x\n",
      '{"environment": {"A": "s3cret" "B": 1}}',
      'environment: {A: "s3cret\\q"}',
      "command: s3cret\n---\ncommand: s3cret\n",
    ];
    for (const text of texts) {
      const error = await assertRejects(() => valuesOf(text), RunnerError);
      assertEquals(error.code, "invalid-job-file");
      assertMatch(error.message, /job\.yaml:\d+:\d+: /);
      // Formats an error like an uncaught one, with its causes.
      assertNotMatch(
        Deno.inspect(error).replaceAll(/^ *at .*/gm, ""),
        /s3cret/,
      );
    }
  });

  it("the exact line and column of a syntax error", async () => {
    const line = await complaintsOf('command: x\nsource: {type: "git\n}\n');
    assertEquals(line, [
      'Cannot read job file "ci/job.yaml": it is not valid YAML',
      'ci/job.yaml:2:16: the quote " is never closed',
    ]);
  });

  it("a recursive alias", async () => {
    assertEquals(await complaintsOf("job: &a {job: *a}"), [
      'Cannot use job file "ci/job.yaml": 1 problem',
      'ci/job.yaml:1:10: unknown key "job.job"',
    ]);
    assertEquals(await complaintsOf("environment: &a {A: *a}"), [
      'Cannot use job file "ci/job.yaml": 1 problem',
      "ci/job.yaml:1:18: environment.A must be a single value",
    ]);
  });

  it("aliases that expand to too much, immediately", async () => {
    const levels = Array.from(
      { length: 30 },
      (_, at) => `x${at + 1}: &x${at + 1} [*x${at}, *x${at}]\n`,
    );
    const lines = await complaintsOf(`x0: &x0 [a]\n${levels.join("")}`);
    assertEquals(lines.length, 1 + 31);
  });

  it("a file that is nested too deeply", async () => {
    await complaintsOf(`command: ${"[".repeat(50_000)}`);
    await complaintsOf("{a: ".repeat(50_000));
  });

  it("a file that is not UTF-8", async () => {
    const latin1 = Uint8Array.from(
      "environment: {A: caf\xe9}\n",
      (character) => character.charCodeAt(0),
    );
    assertEquals(await complaintsOf(latin1), [
      'Cannot read job file "ci/job.yaml": it is not UTF-8 text',
      "ci/job.yaml:1:21: the byte 0xE9 is not part of any UTF-8 character; save the file as UTF-8",
    ]);
  });

  it("a file that is too large", async () => {
    const limit = 1024 * 1024;
    assertEquals(await valuesOf("command: x\n".padEnd(limit, "#")), {
      job_command: "x",
    });
    assertEquals(await complaintsOf("command: x\n".padEnd(limit + 1, "#")), [
      `Cannot read job file "ci/job.yaml": it is larger than ${limit} bytes`,
    ]);
  });

  it("a file that is larger than its size says", async () => {
    const path = "/proc/kallsyms";
    const isOfNoSize = await Deno.stat(path)
      .then(({ size }) => size === 0, () => false);
    if (!isOfNoSize) return;
    const error = await assertRejects(
      () => readJobFile(path, "job.yaml"),
      RunnerError,
    );
    assertEquals(
      error.message,
      `Cannot read job file "job.yaml": it is larger than ${1024 * 1024} bytes`,
    );
  });

  it("why a file cannot be read", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, {
      "dir/": "",
      "loop": "-> loop",
      file: "",
    });
    const reasons = {
      none: "no such file",
      "none/job.yaml": "no such file",
      dir: "it is a directory, not a file",
      loop: "",
      "file/job.yaml": "",
    };
    for (const [name, reason] of Object.entries(reasons)) {
      const error = await assertRejects(
        () => readJobFile(`${directory.path}/${name}`, name),
        RunnerError,
        `Cannot read job file "${name}": ${reason}`,
      );
      assertEquals(error.code, "invalid-job-file");
      assert(!error.message.includes(directory.path), error.message);
    }
  });
});

Deno.test("readJobFile() reports the position of an invalid plugin permission", async () => {
  assertEquals(
    await readProblems("command: x\nplugin_permissions: { a: { B: c } }\n"),
    ["2:28: plugin_permissions.a.B must be a kind of permission"],
  );
});
