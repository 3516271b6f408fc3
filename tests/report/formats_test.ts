import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  FORMATS,
  type ReportFormat,
} from "../../src/report/formats/formats.ts";
import { compareRuns } from "../../src/report/compare.ts";
import { readRecord, type RunRecord } from "../../src/report/run_record.ts";
import { recordLine, startedLine } from "../helpers/record_lines.ts";
import { readOutput } from "../helpers/running.ts";

const HOSTILE =
  `</script>]]>--><b>&amp;"'\`|@all ::error::\x1b[2J\x00\ufffe\n# x`;

/** The same, as it may be printed. */
const SHOWN = HOSTILE.replace("\x1b", "\\u{1b}").replace("\x00", "\\u{0}");

const RUN = [
  startedLine({
    name: HOSTILE,
  }),
  recordLine("run.planned", 1, {
    steps: [
      { name: "build", dependsOn: [] },
      { name: HOSTILE, dependsOn: ["build"] },
      { name: "flaky", dependsOn: ["build"] },
      { name: "left out", dependsOn: [HOSTILE] },
    ],
  }),
  recordLine("phase.ended", 2, {
    phase: "pre_validation",
    startMs: 1,
    durationMs: 1,
  }),
  recordLine("plugin.called", 2, {
    plugin: HOSTILE,
    phase: "pre_validation",
    durationMs: 1,
  }),
  recordLine("source.prepared", 3, {
    source: "source",
    type: "git",
    bytes: 7,
    stages: [{ name: HOSTILE, startMs: 2, durationMs: 0.5 }],
    startMs: 2,
    durationMs: 1,
  }),
  ...step("build", 10, 40, { outcome: "success", exitCode: 0 }),
  recordLine("step.queued", 50, { step: "flaky" }),
  ...step(HOSTILE, 50, 90, {
    outcome: "failed",
    exitCode: 3,
    reason: HOSTILE,
    tail: ["````", HOSTILE, "::error::forged"],
  }),
  ...step("flaky", 140, 20, {
    outcome: "success",
    exitCode: 0,
    attempts: [
      attempt(1, 139.98, 5.0004, "failed"),
      attempt(2, 150, 10.0006, "success"),
    ],
  }),
  recordLine("step.ended", 170, {
    step: "left out",
    outcome: "skipped",
    conclusion: "skipped",
    exitCode: null,
    signal: null,
    reason: "not today",
    startedAt: null,
    durationMs: 0,
    attempts: [],
  }),
  recordLine("problem", 175, {
    step: HOSTILE,
    owner: HOSTILE,
    severity: "error",
    message: HOSTILE,
    file: HOSTILE,
    line: 3,
    column: 0,
    code: HOSTILE,
  }),
  recordLine("problem", 175, {
    step: "build",
    owner: "tsc",
    severity: "notice",
    message: "one\ntwo",
    file: "/tmp/a b.ts",
    line: 0,
  }),
  recordLine("run.ended", 180, {
    status: "failed",
    exitCode: 3,
    durationMs: 180,
  }),
].join("\n");

function attempt(
  number: number,
  startMs: number,
  durationMs: number,
  outcome: string,
) {
  const exitCode = outcome === "success" ? 0 : 3;
  return { number, startMs, durationMs, outcome, exitCode, signal: null };
}

function step(
  name: string,
  startMs: number,
  durationMs: number,
  end: { outcome: string; exitCode: number } & Record<string, unknown>,
): string[] {
  return [
    recordLine("step.started", startMs, { step: name, attempt: 1 }),
    recordLine("step.ended", startMs + durationMs, {
      step: name,
      conclusion: end.outcome,
      signal: null,
      startedAt: new Date(Date.UTC(2026, 0, 1) + startMs).toISOString(),
      durationMs,
      attempts: [attempt(1, startMs, durationMs, end.outcome)],
      ...end,
    }),
  ];
}

const record: RunRecord = readRecord(RUN)!;

async function reportAs(format: ReportFormat): Promise<string> {
  const write = await FORMATS[format].load();
  return await write(record, { color: false });
}

describe("a record that a step has forged", () => {
  const STARTED = RUN.split("\n", 1)[0];
  const ENDED = {
    step: "a",
    outcome: "failed",
    conclusion: "failed",
    exitCode: 1,
    signal: null,
    startedAt: "2026-01-01T00:00:00.000Z",
    durationMs: 3,
    attempts: [],
  };
  const ATTEMPT = {
    number: 1,
    startMs: 0,
    durationMs: 1,
    outcome: "failed",
    exitCode: 1,
    signal: null,
  };
  const STEERING = "\x1b[2J\x1b]0;t\x07\r\u009b2J\u202e\u2028\u2066";
  const DEEP = `${"[".repeat(50_000)}${"]".repeat(50_000)}`;
  const ended = (more: object = {}) =>
    recordLine("step.ended", 1, { ...ENDED, ...more });

  for (
    const [what, ...lines] of [
      ["fields of another type", ended({ dependsOn: 5, group: {}, name: [] })],
      ["times that are none", ended({ queuedMs: "x", startMs: {}, endMs: [] })],
      [
        "a prototype",
        ended().replace("{", '{"__proto__":{"startMs":"x","dependsOn":1},'),
      ],
      [
        "names of properties",
        ...["__proto__", "constructor", "toString"].flatMap((step) => [
          ended({ step }),
          recordLine(step, 1, ENDED),
          recordLine("run.planned", 1, {
            steps: [{ name: step, group: step, dependsOn: [step, "valueOf"] }],
          }),
        ]),
      ],
      [
        "deep values",
        ended().replace("{", `{"deep":${DEEP},`),
        `${DEEP}`,
      ],
      [
        "times without end",
        ended({ durationMs: 1e308 }),
        recordLine("run.ended", 1, {
          status: "failed",
          exitCode: 1,
          durationMs: 1e308,
        }).replace('"ms":1', '"ms":1e300'),
        recordLine("step.started", 1, { step: "a", attempt: 1 })
          .replace(
            /"time":"[^"]*"/,
            '"time":"2026-01-01T00:00:00Z (\\u001b[2J)"',
          ),
      ],
      [
        "text that steers a terminal",
        ended({ step: STEERING, reason: STEERING, tail: [STEERING] }),
        ended({ step: "s", signal: STEERING }),
        ended({ attempts: [{ ...ATTEMPT, spanId: STEERING }] }),
        ended({ step: "r", attempts: [{ ...ATTEMPT, reason: STEERING }] }),
        recordLine("phase.ended", 1, {
          phase: STEERING,
          startMs: 0,
          durationMs: 1,
        }),
        recordLine("plugin.called", 1, {
          plugin: STEERING,
          phase: "cleanup",
          durationMs: 1,
          error: STEERING,
        }),
        recordLine("trigger.submitted", 1, { name: STEERING }),
        recordLine("source.prepared", 1, {
          source: "ci",
          type: STEERING,
          repository: STEERING,
          ref: STEERING,
          startMs: 0,
          durationMs: 1,
        }),
      ],
      [
        "a cycle",
        recordLine("run.planned", 1, {
          steps: [
            { name: "a", dependsOn: ["b"] },
            { name: "b", dependsOn: ["a", "missing"] },
          ],
        }),
      ],
      [
        "many attempts",
        ...new Array(30_000).fill(
          recordLine("step.retrying", 1, {
            step: "a",
            attempt: ATTEMPT,
            delayMs: 1,
          }),
        ),
        recordLine("step.started", 1, { step: "a", attempt: 1 }),
      ],
    ]
  ) {
    it(`is shown in each format with ${what}`, async () => {
      const text = [STARTED, ...lines].join("\n");
      const forged = readRecord(text)!;
      for (const [name, { load }] of Object.entries(FORMATS)) {
        const shown = (await load())(forged, { color: false });
        const found = /(?![\n\t])[\p{Cc}\u2028\u202e\u2066]/u.exec(await shown);
        assertEquals(found, null, name);
      }
      compareRuns(forged, forged);
    });
  }
});

Deno.test("reports list the artifacts that a job restored and saved", async () => {
  const record = readRecord([
    startedLine({ name: "job" }),
    recordLine("artifact.restored", 1, {
      job: "build",
      name: "app",
      bytes: 1_250_000,
      count: 20,
    }),
    recordLine("artifact.saved", 2, { name: "log", bytes: 7, count: 1 }),
  ].join("\n"))!;
  const texts = [
    "artifact restored",
    "app of build: 20 files, 1.3 MB",
    "artifact saved",
    "log: 1 file, 7 bytes",
  ];
  for (const format of ["table", "markdown", "html"] as const) {
    const write = await FORMATS[format].load();
    const text = await write(record, { color: false });
    const missing = texts.filter((part) => !text.includes(part));
    assertEquals(missing, [], format);
  }
});

describe("compareRuns()", () => {
  const step = (name: string, durationMs: number, outcome = "success") =>
    recordLine("step.ended", durationMs, {
      step: name,
      ...{ outcome, conclusion: outcome, exitCode: 0, signal: null },
      startedAt: "2026-01-01T00:00:00.000Z",
      ...{ durationMs, attempts: [] },
    });
  const runOf = (durationMs: number, status: string, ...steps: string[]) =>
    readRecord([
      startedLine(),
      ...steps,
      recordLine("run.ended", durationMs, { status, exitCode: 0, durationMs }),
    ].join("\n"))!;

  it("shows differences that add up", () => {
    const before = runOf(
      10_710,
      "success",
      step("a", 4_390),
      step("gone", 61_900),
    );
    const after = runOf(8_290, "failed", step("a", 2_010), step("new", 40));
    assertEquals(
      compareRuns(before, after).split("\n"),
      [
        "total: 10.7s → 8.2s (−2.5s), success → failed",
        "critical path: 1m 01s → 2.0s (−59.0s)",
        "",
        "New steps:",
        "  new  success, 0.0s",
        "",
        "Missing steps:",
        "  gone  success, 1m 01s",
        "",
        "Changed times:",
        "  a  4.3s → 2.0s (−2.3s)",
        "",
      ],
    );
  });
});

describe("a run as JUnit", () => {
  it("is well-formed XML with one test case per step", async () => {
    const xml = await reportAs("junit");
    const script = `
import json, sys, xml.etree.ElementTree as tree
suite = tree.fromstring(sys.argv[1])
print(json.dumps([suite.attrib, [
  [case.attrib["name"], [child.tag for child in case]] for case in suite
]]))`;
    const [suite, cases] = JSON.parse(
      await readOutput(["python3", "-c", script, xml]),
    );
    assertEquals([suite.tests, suite.failures, suite.skipped], ["4", "1", "1"]);
    assertEquals(suite.time, "0.180");
    assertEquals(cases.map(([, tags]: [string, string[]]) => tags[0]), [
      "system-out",
      "failure",
      "flakyFailure",
      "skipped",
    ]);
    // A line break in an attribute stays; what XML cannot have is replaced.
    assertEquals(cases[1][0], SHOWN.replace("\ufffe", "\ufffd"));
  });
});

describe("a run as Markdown", () => {
  it("shows what failed first, and cannot be steered by what a step printed", async () => {
    const text = await reportAs("markdown");
    const [title, failed] = text.split("\n\n");
    assertMatch(title, /^## ✗ .*: failed in 0\.1s$/);
    assertMatch(failed, /^### ✗ .*\(exit code 3\)/);
    // The fence is longer than that of the step.
    assertMatch(text, /\n`{5}text\n/);
    const outside = text.split("`````")
      .filter((_, index) => index % 2 === 0).join("");
    assertEquals(/<b>|<\/script>|@all|^# x/m.test(outside), false, outside);
    assertMatch(
      outside,
      /\| flaky \| success \| 0\.0s \| flaky · 2 attempts \|/,
    );
  });
});

/** Checks that each link of a page leads to one place. */
function checkLinks(page: string): void {
  const ids = Array.from(page.matchAll(/ id="([^"]*)"/g), ([, id]) => id);
  const places = new Set(ids);
  assertEquals(ids.length, places.size);
  for (const [, id] of page.matchAll(/ href="#([^"]*)"/g)) {
    assert(places.has(id), id);
  }
}

describe("a run as a page", () => {
  it("runs nothing and loads nothing, regardless of the output of a job", async () => {
    const page = await reportAs("html");
    assertMatch(
      page,
      /<meta http-equiv="Content-Security-Policy" content="default-src &#39;none&#39;; style-src &#39;sha256-/,
    );
    // Text of a job must not become a tag, an attribute or a comment.
    const [, body] = page.split("</style>");
    assertEquals(/<script|<\/script|<!--|\son\w+=/i.test(body), false);
    assertEquals(
      /[\p{Cc}\ufffe]/u.test(page.replaceAll("\n", "")),
      false,
    );
    assertMatch(page, /&#60;\/script&#62;/);
  });

  it("shows result, failed lines, retries and what waited for what", async () => {
    const page = await reportAs("html");
    assertMatch(page, /<span class="status">failed<\/span>/);
    assertMatch(
      page,
      /<pre tabindex="0" id="failure-\d" aria-label="[^"]*">````\n/,
    );
    assertMatch(page, /flaky · 2 attempts/);
    assertMatch(page, /aria-label="Graph of 4 steps"/);
  });

  it("is small for a thousand steps, and shows those that failed first", async () => {
    const steps = Array.from(
      { length: 1_000 },
      (_, index) =>
        step(`step number ${index}`, index, 5, {
          outcome: index === 700 ? "failed" : "success",
          exitCode: index === 700 ? 9 : 0,
          attempts: [
            ...index === 300 ? [attempt(1, index, 2, "failed")] : [],
            attempt(2, index, 5, index === 700 ? "failed" : "success"),
          ],
          log: `job/artifacts/logs/step number ${index}.log`,
          ...index === 700 ? { rerun: "runnerlib run --only 'a b'" } : {},
          tail: Array.from(
            { length: 5 },
            (_, line) => `\x1b[32m✓\x1b[0m line ${line} ${"x".repeat(180)}`,
          ),
        }),
    ).flat();
    const [started] = RUN.split("\n");
    const write = await FORMATS.html.load();
    const page = await write(readRecord([started, ...steps].join("\n"))!, {
      color: false,
    });
    assert(page.length < 1_000_000, `${page.length}`);
    assertMatch(page, /<code>runnerlib run --only &#39;a b&#39;<\/code>/);
    checkLinks(page);
    const rowsOf = (html: string) =>
      Array.from(
        html.matchAll(/<b class="name[^>]*>(step[^<]*)/g),
        ([, of]) => of,
      );
    const [listed, all] = page.split('<details class="all"');
    assertEquals(rowsOf(listed), ["step number 700", "step number 300"]);
    assertEquals(rowsOf(all).length, 1_000);
  });

  it("is small even if a thousand steps fail, with reasons and colors", async () => {
    const steps = Array.from(
      { length: 1_000 },
      (_, index) =>
        step(`step number ${index}`, index, 5, {
          outcome: index % 2 === 0 ? "failed" : "success",
          exitCode: index % 2 === 0 ? 9 : 0,
          reason: "because ".repeat(100),
          attempts: [attempt(1, index, 5, "failed")],
          tail: Array.from({ length: 20 }, () => "\x1b[31mx\x1b[m".repeat(60)),
        }),
    ).flat();
    const [started] = RUN.split("\n");
    const write = await FORMATS.html.load();
    const page = await write(readRecord([started, ...steps].join("\n"))!, {
      color: false,
    });
    assert(page.length < 1_000_000, `${page.length}`);
    checkLinks(page);
  });

  it("draws a line only for what a step waits for directly", async () => {
    const plan = (steps: Record<string, string[]>) =>
      recordLine("run.planned", 1, {
        steps: Object.entries(steps)
          .map(([name, dependsOn]) => ({ name, dependsOn })),
      });
    const linesOf = async (steps: Record<string, string[]>) => {
      const write = await FORMATS.html.load();
      const run = readRecord([startedLine(), plan(steps)].join("\n"))!;
      const page = await write(run, { color: false });
      return Array.from(page.matchAll(/<path[^>]* d="([^"]*)"/g), ([, d]) => d);
    };
    const chain = await linesOf({ a: [], b: ["a"], c: ["a", "b"] });
    assertEquals(chain.length, 2);
    // One goes around "b" and "c", in a row of its own.
    const lines = await linesOf({
      a: [],
      x: [],
      b: ["a"],
      c: ["b"],
      d: ["c", "x"],
    });
    assertEquals(lines.map((d) => d.split("H").length - 1), [0, 0, 0, 2]);
  });
});

describe("a run as a trace", () => {
  it("has a slice for each step that ran and each attempt of several", async () => {
    const { traceEvents } = JSON.parse(await reportAs("perfetto"));
    const slices = traceEvents.filter(({ ph }: { ph: string }) => ph === "X");
    const byCategory = (category: string) =>
      slices.filter(({ cat }: { cat: string }) => cat === category);
    assertEquals(byCategory("step").length, 3);
    assertEquals(byCategory("attempt").length, 2);
    assertEquals(byCategory("plugin").length, 1);
    assertEquals(byCategory("phase").length, 1);
    assertEquals(byCategory("source").length, 1);
    const [stage] = byCategory("stage");
    assertEquals([stage.name, stage.ts, stage.dur], [SHOWN, 2_000, 500]);
    const [build] = byCategory("step");
    assertEquals([build.ts, build.dur], [10_000, 40_000]);
  });

  it("draws steps that overlap in lanes of their own, and arrows between them", async () => {
    const { traceEvents } = JSON.parse(await reportAs("perfetto"));
    const steps = traceEvents.filter(({ cat }: { cat: string }) =>
      cat === "step"
    );
    for (const a of steps) {
      for (const b of steps) {
        if (a === b || a.tid !== b.tid) continue;
        assert(a.ts + a.dur <= b.ts || b.ts + b.dur <= a.ts);
      }
    }
    const slices = traceEvents.filter(({ ph }: { ph: string }) => ph === "X");
    for (const a of slices) {
      for (const b of slices) {
        if (a.tid !== b.tid || a.ts > b.ts) continue;
        const [endOfA, endOfB] = [a.ts + a.dur, b.ts + b.dur];
        const isNested = endOfB <= endOfA || a.ts === b.ts;
        assert(endOfA <= b.ts || isNested, `${a.name} and ${b.name}`);
      }
    }
    const kinds = traceEvents.map(({ ph }: { ph: string }) => ph);
    assertEquals(kinds.filter((kind: string) => kind === "s").length, 2);
    assertEquals(kinds.filter((kind: string) => kind === "f").length, 2);
  });
});

describe("a run as JSON", () => {
  it("has each step, and the critical path", async () => {
    const run = JSON.parse(await reportAs("json"));
    assertEquals(run.status, "failed");
    assertEquals(run.steps.length, 4);
    assertEquals(run.steps[2].isFlaky, true);
    assertEquals(run.criticalPath, {
      durationMs: 130,
      steps: ["build", SHOWN],
    });
  });
});

describe("the profile of a run", () => {
  it("shows what the run waited for, safe on a terminal", async () => {
    const text = await reportAs("profile");
    assertMatch(text, /^total 0\.1s: steps 0\.1s \(83 %\)/);
    assertMatch(
      text,
      /critical path, 0\.1s \(72 %\) of the run:\n +0\.0s {2}build/,
    );
    assertEquals(text.includes("\x1b"), false);
  });
});
