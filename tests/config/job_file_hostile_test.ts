import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { readProblems, readSteps } from "../helpers/job_file.ts";

/** A job file of the maximum size. */
const LIMIT = 1024 * 1024;

/**
 * Levels of aliases, each of which expands to many values of the level below.
 */
function bomb(levels: number, width: number, leaf: string): string {
  const lines = [`&x0 ${leaf}`];
  for (let at = 1; at <= levels; at++) {
    const members = Array.from({ length: width }, () => `*x${at - 1}`);
    lines.push(`&x${at} [${members.join(", ")}]`);
  }
  return `resources:\n${lines.map((line) => `  - ${line}\n`).join("")}`;
}

describe("readJobFile() limits its work on", () => {
  it("unused aliases", async () => {
    const text = bomb(30, 10, "[a]") + "steps: [{name: a, run: x}]\n";
    assertEquals((await readSteps(text)).length, 1);
  });

  it("aliases that expand to many values", async () => {
    const items = Array.from({ length: 20_000 }, () => "a").join(",");
    const uses = Array.from({ length: 20_000 }, () => "  - *s\n").join("");
    const [problem] = await readProblems(
      `steps:\n  - &s {name: a, run: x, for_each: [${items}]}\n${uses}`,
    );
    assertMatch(
      problem,
      /^Cannot read job file "job\.yaml": its aliases expand to more than 1000000 values$/,
    );
  });

  it("aliases that expand to long strings", async () => {
    const long = "a".repeat(500_000);
    const uses = Array.from({ length: 1_000 }, () => "*s").join(",");
    for (
      const text of [
        `steps: [{name: a, run: x, for_each: [&s ${long},${uses}]}]`,
        `steps: [{name: a, run: x, matrix: {include: [&s {${long}: a},${uses}]}}]`,
      ]
    ) {
      assertEquals(await readProblems(text), [
        'Cannot read job file "job.yaml": its aliases expand to more than 16777216 characters',
      ]);
    }
  });

  it("large files only above the maximum size", async () => {
    const values = Array.from({ length: 500_000 }, () => "a").join(",");
    const [step] = await readSteps(
      `steps: [{name: a, run: x, for_each: [${values}]}]`,
    );
    assertEquals(step.forEach?.length, 500_000);
  });

  it("deeply nested lists", async () => {
    assertEquals(await readProblems("[".repeat(LIMIT)), [
      'Cannot read job file "job.yaml": it is nested too deeply',
    ]);
  });

  it("nested aliases in place of a value", async () => {
    const text = bomb(20, 10, "a").replace("resources:", "steps:");
    const problems = await readProblems(text);
    assertEquals(problems.length, 21);
    assertEquals(problems[0], "2:9: steps[0] must be a mapping of keys");
  });

  it("recursive aliases", async () => {
    const texts = [
      "steps: &s [*s]",
      "steps: &s {a: *s}",
      "steps: [&s {name: a, run: x, matrix: *s}]",
      "steps: [&s {name: a, run: x, env: *s, for_each: *s, retry: *s}]",
      "steps: [{name: a, run: &r [*r], needs: &n [*n]}]",
      "steps: [{name: a, run: x, matrix: &m {include: [*m], A: [*m]}}]",
      "job: &j {steps: [{name: a, run: x}], resources: *j, source: *j}",
    ];
    for (const text of texts) {
      const problems = await readProblems(text);
      assert(problems.length > 0 && problems.length < 30, text);
    }
  });

  it("files with many problems", async () => {
    const keys = Array.from({ length: 50_000 }, (_, at) => `ke_${at}: 1\n`);
    const problems = await readProblems(keys.join(""));
    assertEquals(problems.length, 101);
    assertEquals(problems[0], '1:1: unknown key "ke_0"');
    assertEquals(problems[100], "and 49900 more");
  });

  it("strings that make regular expressions backtrack", async () => {
    const long = "a".repeat(LIMIT / 2);
    const files = [
      { steps: [{ name: "a", run: `${long}\0` }] },
      { steps: [{ name: `${long}/`, run: "x" }] },
      { steps: [{ name: "a", run: " ".repeat(LIMIT / 2) }] },
      {
        steps: [{ name: "a", run: "x", timeout: `${"1".repeat(LIMIT / 2)}x` }],
      },
      { steps: [{ name: "a", run: "x", retry: `${"0".repeat(LIMIT / 2)}x` }] },
      { steps: [{ name: "a", run: "x", item_var: `${long}-` }] },
      { steps: [{ name: "a", run: "x", env: { [`${long}=`]: "x" } }] },
      { steps: [{ name: "a", run: "x", condition: long }] },
      { [long]: "x" },
    ];
    for (const file of files) {
      const problems = await readProblems(
        `? ${JSON.stringify(Object.keys(file)[0])}\n: ${
          JSON.stringify(Object.values(file)[0])
        }`,
      );
      assertEquals(problems.length, 1);
      assert(problems[0].length < 400, problems[0].slice(0, 400));
    }
  });

  it("deeply nested steps", async () => {
    for (const open of ["[", "{a: "]) {
      for (const depth of [100, 1_000, 100_000]) {
        const closing = (open === "[" ? "]" : "}").repeat(depth);
        const problems = await readProblems(
          `steps: [{name: a, run: x, matrix: ${open.repeat(depth)}${closing}}]`,
        );
        assert(problems.length > 0 && problems.length < 5);
      }
    }
  });

  it("problems next to deeply nested values", async () => {
    const deep = "[".repeat(1_000) + "]".repeat(1_000);
    const [problem, ...rest] = await readProblems(
      `resources: ${deep}\ncomand: x\n`,
    );
    assertMatch(problem, /^\d+:\d+: unknown key "comand"; did you mean/);
    assertEquals(rest, []);
  });
});

describe("readJobFile() is not confused by", () => {
  it("keys with terminal escape sequences", async () => {
    assertEquals(await readProblems('"a\\u001b[2Jb\\nc": 1'), [
      '1:1: unknown key "a\\u001b[2Jb\\nc"',
    ]);
  });

  it("keys that every JavaScript object has", async () => {
    for (
      const key of ["__proto__", "constructor", "toString", "hasOwnProperty"]
    ) {
      const problems = await readProblems(
        `steps: [{name: a, run: x, ${key}: {run: y}, retry: {attempts: 1, ${key}: 1}}]`,
      );
      assertEquals(problems.map((line) => line.replace(/^\S+ /, "")), [
        `unknown key "steps[0].${key}"`,
        `unknown key "steps[0].retry.${key}"`,
      ]);
    }
    assertEquals(({} as Record<string, unknown>).run, undefined);
  });
});
