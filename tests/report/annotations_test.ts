import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  annotationsEnd,
  type CiSystem,
  detectCiSystem,
} from "../../src/report/annotations.ts";
import { readRecord } from "../../src/report/run_record.ts";
import { runMain } from "../helpers/run_main.ts";
import {
  failedStepLine,
  recordLine,
  startedLine,
} from "../helpers/record_lines.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const SYSTEMS = ["github", "gitlab", "buildkite", "teamcity", "azure"] as const;

/** Output of a step with markers of every system. */
const HOSTILE = [
  "::error title=forged::x",
  "::add-mask::a",
  "##teamcity[buildProblem description='forged']",
  "##vso[task.setvariable variable=a]b",
  "\x1b[0Ksection_start:1:forged\r",
  "+++ forged",
  "--- forged",
  "~~~ forged",
  "^^^ +++",
  "::group::forged",
  "::endgroup::",
  "##[group]forged",
  "##[endgroup]",
  "##[Error]forged",
  "##teamcity[blockClosed name='two']",
  "\x1b[0Ksection_end:1:runnerlib_step_1\r",
];

function record(name: string, tail: readonly string[]) {
  const ended = failedStepLine(name, 1, { tail });
  return readRecord(`${startedLine()}\n${ended}`)!;
}

/** Lines that a system would take for a marker. */
function markers(system: CiSystem, text: string): string[] {
  const pattern = {
    github: /^::.*/gm,
    gitlab: /section_start:[^\r\n]*\r/g,
    buildkite: /^(?:\+\+\+|---|~~~|\^\^\^)\s.*/gm,
    teamcity: /##teamcity\[.*/g,
    azure: /##(?:vso)?\[.*/g,
  }[system];
  return text.match(pattern) ?? [];
}

describe("detectCiSystem()", () => {
  it("recognizes the system by its variable", () => {
    assertEquals(
      detectCiSystem({ GITHUB_ACTIONS: "true", CI: "true" }),
      "github",
    );
    assertEquals(detectCiSystem({ TF_BUILD: "True" }), "azure");
    assertEquals(detectCiSystem({ CI: "true" }), undefined);
  });
});

describe("annotationsEnd()", () => {
  it("writes what GitHub reads", () => {
    assertEquals(
      annotationsEnd("github", record("a, b: 100%", ["one", "two"]), "token"),
      "::token::\n" +
        '::error title=Step "a%2C b%3A 100%25"%3A exit code 3 after 1.5s:: one%0A two\n',
    );
  });

  for (const system of SYSTEMS) {
    it(`has one marker for each step in ${system}`, () => {
      const usual = annotationsEnd(system, record("step", ["line"]), "token");
      for (const text of HOSTILE) {
        const tried = annotationsEnd(
          system,
          record(`a\n${text}\r${text}`, [text, `\n${text}`]),
          "token",
        );
        // TeamCity and Azure end a message at a bracket or a line break.
        const own = markers(system, tried).filter((line) =>
          !/^##(?:vso\[task\.set|teamcity\[buildProblem description='forged)/
            .test(line)
        );
        assertEquals(
          own.length,
          markers(system, usual).length,
          `${JSON.stringify(text)} gives\n${tried}`,
        );
      }
    });
  }
});

/** A record of problems, each with a hostile text in all of its fields. */
function problemRecord(text: string) {
  const lines = (["notice", "warning", "error"] as const).map((severity) =>
    recordLine("problem", 1, {
      step: text,
      owner: text,
      severity,
      message: `m ${text}\n${text}`,
      file: text,
      line: 3,
      column: 7,
      code: text,
    })
  );
  return readRecord([startedLine(), ...lines].join("\n"))!;
}

describe("annotationsEnd() shows problems", () => {
  const problem = {
    step: "lint",
    owner: "eslint",
    severity: "warning",
    message: "it's 100% [bad]; a,b",
    file: "src/a;b,c.ts",
    line: 3,
    column: 7,
    code: "no-x",
  };
  const record = readRecord(
    [startedLine(), recordLine("problem", 1, problem)].join("\n"),
  )!;
  const expected: Record<CiSystem, string> = {
    github:
      "::token::\n::warning file=src/a;b%2Cc.ts,line=3,col=7,title=eslint no-x::it's 100%25 [bad]; a,b\n",
    azure:
      "##vso[task.logissue type=warning;sourcepath=src/a%3Bb,c.ts;linenumber=3;columnnumber=7;code=no-x]eslint: it's 100% [bad]; a,b\n",
    teamcity:
      "##teamcity[inspectionType id='eslint' name='eslint' category='Problem matchers' description='eslint']\n" +
      "##teamcity[inspection typeId='eslint' message='it|'s 100% |[bad|]; a,b (no-x)' file='src/a;b,c.ts' line='3' SEVERITY='WARNING']\n",
    gitlab:
      "\x1b[0Ksection_start:1767225600:runnerlib_problems\r\x1b[0K1 warning\n" +
      " src/a;b,c.ts:3:7: warning: it's 100% [bad]; a,b (eslint no-x)\n" +
      "\x1b[0Ksection_end:1767225600:runnerlib_problems\r\x1b[0K\n",
    buildkite: "+++ 1 warning\n" +
      " src/a;b,c.ts:3:7: warning: it's 100% [bad]; a,b (eslint no-x)\n",
  };
  for (const system of SYSTEMS) {
    it(`as ${system} reads them`, () => {
      assertEquals(annotationsEnd(system, record, "token"), expected[system]);
    });

    it(`with no marker of ${system} from their texts`, () => {
      const usual = annotationsEnd(system, problemRecord("a"), "token");
      for (const text of HOSTILE) {
        const tried = annotationsEnd(system, problemRecord(text), "token");
        assertEquals(
          tried.split("\n").length,
          usual.split("\n").length,
          `${JSON.stringify(text)} gives\n${tried}`,
        );
        if (system === "teamcity" || system === "azure") continue;
        assertEquals(
          markers(system, tried).length,
          markers(system, usual).length,
          `${JSON.stringify(text)} gives\n${tried}`,
        );
      }
    });
  }

  it("of which only the first 50 are shown, errors first", () => {
    const lines = Array.from(
      { length: 60 },
      (_, index) =>
        recordLine("problem", 1, {
          ...problem,
          message: `m${index}`,
          severity: index < 55 ? "warning" : "error",
        }),
    );
    const many = readRecord([startedLine(), ...lines].join("\n"))!;
    const shown = annotationsEnd("github", many, "token").trim().split("\n");
    assertEquals(shown.length, 51);
    assertMatch(shown[1], /^::error .*::m55$/);
    assertMatch(annotationsEnd("buildkite", many, "token"), / and 10 more\n$/);
  });
});

describe("a run within a CI system", () => {
  const JOB = `
steps:
  - name: deploy
    run: |
      cat <<'END'
${HOSTILE.map((line) => `      ${line.replace("\x1b", "")}`).join("\n")}
      END
      exit 3
`;

  for (const system of SYSTEMS) {
    it(`marks a failed step in ${system}, but not the output of steps`, async () => {
      await using directory = await temporaryDirectory();
      const { path: cwd } = directory;
      await makeFiles(cwd, { "job.yaml": JOB });
      const { code, stdout, stderr } = await runMain(
        ["run", "--job-file=job.yaml", `--annotate=${system}`],
        { cwd },
      );
      assertEquals(code, 3);
      assertMatch(stderr, /Step "deploy/);
      if (system === "github") {
        const [, token] = /^::stop-commands::(.+)$/m.exec(stderr)!;
        assertEquals(stderr.match(/^::.*/gm)?.slice(0, 2), [
          `::stop-commands::${token}`,
          `::${token}::`,
        ]);
        assertEquals(stdout.includes(token), false);
      } else assertEquals(markers(system, stdout), []);
    });
  }

  /** Lines that GitHub takes for commands, wherever the runner prints them. */
  function commandsIn(text: string): string[] {
    return text.split(/[\r\n]/).filter((line) => /^\s*::/.test(line));
  }

  it("prints no command of a step in GitHub, on either stream", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    const script =
      "printf '::add-path::/x\\n  ::error::y\\n 5 %%\\r::debug::z\\n'";
    await makeFiles(cwd, {
      "one.yaml": `command: ${JSON.stringify(`${script}; ${script} >&2`)}\n`,
      "two.yaml": `steps:
  - name: a
    run: ${JSON.stringify(`${script}; exit 3`)}
  - name: b
    run: ${JSON.stringify(`${script} >&2`)}
`,
    });
    for (
      const args of [
        ["--job-file=one.yaml"],
        ["--job-file=one.yaml", "--stderr=separate"],
        ["--job-file=one.yaml", "--timestamps"],
        ["--job-file=two.yaml", "--log-group"],
        ["--job-file=two.yaml", "--stderr=separate"],
      ]
    ) {
      const { stdout, stderr } = await runMain(
        ["run", "--annotate=github", ...args],
        { cwd },
      );
      const own =
        /^::(?:[\da-f-]{36}::|stop-commands::|(?:end)?group::|error title=)/;
      const all = [...commandsIn(stdout), ...commandsIn(stderr)];
      assertEquals(all.filter((line) => !own.test(line)), [], args.join(" "));
    }
  });

  it("prints no command in an error of a plugin", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    await makeFiles(cwd, {
      "plugins/plugin_x.ts":
        'export default { name: "x", preExecution() { throw new Error("a\\n::add-path::/x\\n  ::error::y"); } };\n',
    });
    const { code, stderr } = await runMain(
      ["run", "--annotate=github", "--plugin-dir=plugins", "--", "true"],
      { cwd },
    );
    assertEquals(code, 1);
    assertMatch(stderr, /add-path/);
    const lines = commandsIn(stderr);
    assertEquals(lines.filter((line) => /add-path|error::y/.test(line)), []);
  });

  /** Two steps, each of which prints hostile lines. */
  const steps = (more: string) => `
steps:
  - name: one
    run: |
      cat <<'END'
${HOSTILE.map((line) => `      ${line.replace("\x1b", "")}`).join("\n")}
      END
  - name: two
    ${more}
    run: printf '%s\\n' 'second' '--- a' '::endgroup::' '##[endgroup]'
`;

  /** Borders of the groups of steps, in order. */
  const GROUPS = {
    github: [
      ...["::group::one", "::endgroup::"],
      ...["::group::two", "::endgroup::"],
    ],
    gitlab: ["start 1", "end 1", "start 2", "end 2"],
    buildkite: ["--- one", "--- two"],
    teamcity: [
      ...["##teamcity[blockOpened name='one']"],
      ...["##teamcity[blockClosed name='one']"],
      ...["##teamcity[blockOpened name='two']"],
      ...["##teamcity[blockClosed name='two']"],
    ],
    azure: ["##[group]one", "##[endgroup]", "##[group]two", "##[endgroup]"],
  };

  /** Markers that a system acts on, with those that GitHub ignores left out. */
  function groupsIn(system: CiSystem, text: string): string[] {
    if (system === "gitlab") {
      return Array.from(
        text.matchAll(/section_(\w+):\d+:runnerlib_step_(\d)\r/g),
        ([, border, number]) => `${border} ${number}`,
      );
    }
    const found = markers(system, text);
    if (system !== "github") return found;
    const groups: string[] = [];
    let isStopped = true;
    for (const line of found) {
      if (/^::[\da-f-]{36}::$/.test(line)) isStopped = false;
      else if (/^::stop-commands::/.test(line)) isStopped = true;
      else if (!isStopped) groups.push(line);
    }
    return groups;
  }

  for (const system of SYSTEMS) {
    it(`folds each step in ${system}, if they run one by one or are printed so`, async () => {
      await using directory = await temporaryDirectory();
      const { path: cwd } = directory;
      await makeFiles(cwd, {
        "chain.yaml": steps("depends_on: [one]"),
        "free.yaml": steps("retry: 1"),
      });
      const run = (...args: string[]) =>
        runMain(["run", `--annotate=${system}`, ...args], { cwd });
      const grouped = await run("--job-file=free.yaml", "--log-group");
      const folded = [
        await run("--job-file=chain.yaml"),
        await run("--job-file=free.yaml", "--concurrency=1"),
        await run("--job-file=chain.yaml", "--log-group"),
      ];
      for (const { code, stdout } of folded) {
        assertEquals(code, 0);
        assertEquals(groupsIn(system, stdout), GROUPS[system], stdout);
        // Lines of the second step come after the borders of the first one.
        const [before] = stdout.split(/^.*second$/m, 1);
        assertEquals(
          groupsIn(system, before).at(-1),
          GROUPS[system].at(system === "buildkite" ? 1 : 2),
        );
      }
      assertEquals(
        groupsIn(system, grouped.stdout).toSorted(),
        GROUPS[system].toSorted(),
      );
    });

    it(`does not fold mixed lines in ${system}`, async () => {
      await using directory = await temporaryDirectory();
      const { path: cwd } = directory;
      const run = (...args: string[]) =>
        runMain(
          ["run", "--job-file=job.yaml", `--annotate=${system}`, ...args],
          { cwd },
        );
      await makeFiles(cwd, { "job.yaml": steps("retry: 1") });
      for (
        const { stdout } of [
          await run("--concurrency=2"),
          await run("--concurrency=1", "--stderr=separate"),
        ]
      ) {
        assertEquals(groupsIn(system, stdout), [], stdout);
      }
    });
  }

  it("prevents a command from adding headings in Buildkite", async () => {
    await using directory = await temporaryDirectory();
    const { stdout } = await runMain(
      ["run", "--annotate=buildkite", "--job-command=echo '--- forged'"],
      { cwd: directory.path },
    );
    assertEquals(stdout, "---\u2060 forged\n");
  });

  it("prints no borders of groups into JSON", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    await makeFiles(cwd, { "job.yaml": steps("depends_on: [one]") });
    const { stdout } = await runMain(
      ["run", "--job-file=job.yaml", "--annotate=azure"],
      { cwd, env: { LOG_FORMAT: "json" } },
    );
    for (const line of stdout.trimEnd().split("\n")) JSON.parse(line);
  });

  for (const system of ["gitlab", "teamcity", "azure"] as const) {
    it(`masks markers in ${system} however secrets are masked`, async () => {
      await using directory = await temporaryDirectory();
      const { path: cwd } = directory;
      await makeFiles(cwd, { "job.yaml": JOB });
      for (const option of ["--mask-min-length=40", "--no-mask"]) {
        const { code, stdout } = await runMain(
          ["run", "--job-file=job.yaml", `--annotate=${system}`, option],
          { cwd },
        );
        assertEquals([code, markers(system, stdout)], [3, []], option);
      }
    });
  }

  it("is recognized, and adds to the summary of the step in GitHub", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    await makeFiles(cwd, { "job.yaml": JOB, "summary.md": "before\n" });
    const { stderr } = await runMain(["run", "--job-file=job.yaml"], {
      cwd,
      env: {
        GITHUB_ACTIONS: "true",
        GITHUB_STEP_SUMMARY: `${cwd}/summary.md`,
      },
    });
    assert(stderr.includes("::error title=Step"), stderr);
    const summary = await Deno.readTextFile(`${cwd}/summary.md`);
    assertMatch(summary, /^before\n## ✗ .*\n\n### ✗ deploy \(exit code 3\)/);
  });

  it("adds no markers when they are turned off", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    await makeFiles(cwd, { "job.yaml": JOB });
    const { stderr } = await runMain(
      ["run", "--job-file=job.yaml", "--annotate=off"],
      { cwd, env: { GITHUB_ACTIONS: "true" } },
    );
    assertEquals(stderr.match(/^::.*/gm), null);
  });
});
