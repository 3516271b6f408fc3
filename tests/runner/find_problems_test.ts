import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { FORMATS } from "../../src/report/formats/formats.ts";
import { readRecord } from "../../src/report/run_record.ts";
import { runMain } from "../helpers/run_main.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const MATCHERS = JSON.stringify({
  problemMatcher: [
    {
      owner: "cc",
      pattern: [{
        regexp: "^(\\S+):(\\d+): (error|warning): (.*)$",
        file: 1,
        line: 2,
        severity: 3,
        message: 4,
      }],
    },
    {
      owner: "lint",
      pattern: [
        { regexp: "^FILE (.*)$", file: 1 },
        {
          regexp: "^  (\\d+):(\\d+) (.*)$",
          line: 1,
          column: 2,
          message: 3,
          loop: true,
        },
      ],
    },
  ],
});

const HOSTILE = JSON.stringify({
  problemMatcher: [{
    owner: "hostile",
    pattern: [{ regexp: "^((a+)+)$", message: 1 }],
  }],
});

interface RunOptions {
  files: Record<string, string>;
  args?: readonly string[];
  env?: Record<string, string>;
}

async function runJob({ files, args = [], env }: RunOptions) {
  await using directory = await temporaryDirectory();
  const { path: cwd } = directory;
  await makeFiles(cwd, { "matchers.json": MATCHERS, ...files });
  const result = await runMain(["run", ...args], { cwd, env });
  const text = await Deno.readTextFile(`${cwd}/job/artifacts/run.jsonl`)
    .catch(() => Deno.readTextFile(`${cwd}/run.jsonl`)).catch(() => "");
  const record = readRecord(text);
  const problems = (record?.problems ?? []).map((
    { step, severity, file, line, column, message },
  ) => [step, severity, file, line, column, message].join(" "));
  return { ...result, cwd, text, record, problems };
}

describe("problem matchers", () => {
  it("find problems in the output of steps, with paths relative to the repository", async () => {
    const { code, problems, stdout } = await runJob({
      args: ["--job-file=job.yaml"],
      files: {
        "sub/x": "",
        "job.yaml": `
problem_matchers: [matchers.json]
steps:
  - name: build
    working_dir: sub
    run: |
      echo "a.c:3: warning: unused"
      echo "./b/../a.c:4: error: undeclared" >&2
      echo "$PWD/c.c:5: error: absolute"
      echo "/elsewhere/d.c:6: error: outside"
      echo "file://$PWD/e.c:7: error: address"
  - name: lint
    depends_on: [build]
    run: |
      printf 'FILE \\033[1mx.js\\033[0m\\r\\n  1:2 one\\n'
      printf '  3:4 two'
`,
      },
    });
    assertEquals(code, 0);
    assertEquals(problems.toSorted(), [
      "build error /elsewhere/d.c 6  outside",
      "build error sub/a.c 4  undeclared",
      "build error sub/c.c 5  absolute",
      "build error sub/e.c 7  address",
      "build warning sub/a.c 3  unused",
      "lint error x.js 1 2 one",
      "lint error x.js 3 4 two",
    ]);
    assertMatch(stdout, /a\.c:3: warning: unused/);
  });

  it("can be set by options and variables, also for one command", async () => {
    const command = [
      "--job-command=echo a.c:1: error: x",
      "--record=run.jsonl",
    ];
    const results = [
      await runJob({
        args: [...command, "--problem-matcher=matchers.json"],
        files: {},
      }),
      await runJob({
        args: command,
        files: {},
        env: { REACTORCIDE_PROBLEM_MATCHERS: "matchers.json" },
      }),
      await runJob({ args: command, files: {} }),
    ];
    assertEquals(results.map(({ problems }) => problems), [
      ["command error a.c 1  x"],
      ["command error a.c 1  x"],
      [],
    ]);
  });

  it("see masked lines only", async () => {
    const { text, problems } = await runJob({
      args: ["--job-file=job.yaml"],
      env: { REACTORCIDE_SECRET_VALUES_LIST: "s3cret-word" },
      files: {
        "job.yaml": `
problem_matchers: matchers.json
steps:
  - name: build
    run: |
      echo "s3cret-word.c:3: error: s3cret-word"
      printf 'a.c:4: error: s3cr'; printf 'et-word\\n'
`,
      },
    });
    assertEquals(problems, [
      "build error [REDACTED].c 3  [REDACTED]",
      "build error a.c 4  [REDACTED]",
    ]);
    assertEquals(text.includes("s3cret-word"), false);
  });

  it("report a problem of several attempts once", async () => {
    const { problems } = await runJob({
      args: ["--job-file=job.yaml"],
      files: {
        "job.yaml": `
problem_matchers: matchers.json
steps:
  - name: build
    retry: { attempts: 2, delay: 0 }
    run: "printf 'a.c:1: error: x'; exit 1"
`,
      },
    });
    assertEquals(problems, ["build error a.c 1  x"]);
  });

  it("appear in annotations and reports", async () => {
    const { stderr, stdout, record } = await runJob({
      args: [
        "--job-command=echo a.c:1: warning: x",
        "--problem-matcher=matchers.json",
        "--annotate=github",
        "--record=run.jsonl",
      ],
      files: {},
    });
    assertMatch(stderr, /^::warning file=a\.c,line=1,title=cc::x$/m);
    assertEquals(stdout, "a.c:1: warning: x\n");
    for (const format of ["table", "json", "markdown", "html"] as const) {
      const write = await FORMATS[format].load();
      const text = await write(record!, { color: false });
      assertMatch(text, /warning/, format);
    }
  });

  it("do not block a run if an expression takes forever", async () => {
    const { code, stderr, problems } = await runJob({
      args: ["--job-file=job.yaml"],
      files: {
        "hostile.json": HOSTILE,
        "job.yaml": `
problem_matchers: [hostile.json, matchers.json]
steps:
  - name: build
    run: |
      echo "${"a".repeat(60)}!"
      echo "a.c:1: error: x"
`,
      },
    });
    assertEquals(code, 0);
    assertMatch(stderr, /Problem matcher "hostile" disabled/);
    assertEquals(problems, ["build error a.c 1  x"]);
  });

  it("that cannot be used prevent the job from running", async () => {
    for (
      const [files, reason] of [
        [{}, "no such file or directory"],
        [{ "x.json": "{" }, "not valid JSON"],
        [
          { "x.json": '{"problemMatcher":[{"owner":"a"}]}' },
          "problemMatcher[0].pattern[0] must be an object",
        ],
      ] as const
    ) {
      const { code, stderr, stdout } = await runJob({
        args: ["--job-command=echo ran", "--problem-matcher=x.json"]
          .concat("--record=run.jsonl"),
        files,
      });
      assertEquals([code, stdout], [1, ""]);
      assert(
        stderr.includes(
          `Cannot use the problem matchers in "x.json": ${reason}\n`,
        ),
        stderr,
      );
    }
  });
});
