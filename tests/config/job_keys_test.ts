import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { parse } from "@std/yaml/parse";
import { Ajv } from "ajv";
import { readJobFile } from "../../src/config/job_file.ts";
import { jobFileSchema } from "../../src/config/job_keys.ts";
import { RunnerError } from "../../src/errors.ts";
import { withoutExcerpts } from "../helpers/problem_text.ts";
import { Random } from "../helpers/random.ts";
import { temporaryDirectory } from "../helpers/temporary_directory.ts";

const schema = jobFileSchema();

const accepts = new Ajv({
  strict: true,
  allowUnionTypes: true,
  strictTuples: false,
}).compile(schema);

/**
 * Problems that the parser reports and a JSON Schema cannot describe: see
 * {@linkcode jobFileSchema}.
 */
const BEYOND =
  /has the same name as the step|refers to ".*", which is not a step|waits for itself|is not a variable of the matrix|"\/job" or a path below it|must be at most .*not "36501d"$/;

/** The problems that the parser reports and a JSON Schema could describe. */
async function problemsOf(path: string, text: string): Promise<string[]> {
  await Deno.writeTextFile(path, text);
  try {
    await readJobFile(path, "job.yaml");
    return [];
  } catch (error) {
    assert(error instanceof RunnerError, `${error}`);
    return withoutExcerpts(error.message).split("\n").slice(1)
      .filter((line) => !BEYOND.test(line));
  }
}

const VALID = [
  "{}",
  "command: make",
  "command: 1.0\ntimeout: 90\nconcurrency: 4\nlog_group: true\nname: 7",
  "steps:\n- name: a\n  run: x\n- {name: b, run: [x, 1, ''], needs: [a]}",
  "job:\n  timeout: 5m\n  steps: {a: {run: x, env: {A: 1, B: }}, b: {run: y}}",
  "steps: [{name: 1, run: true, retry: 3, inherit_env: [A, true], for_each: }]",
  "steps: [{name: a, run: x, matrix: {A: [1, ~], include: [{B: x}]}}]",
  "steps: [{name: a, run: x, retry: {attempts: '3', jitter: 0.25, backoff: 2}}]",
  "steps: [{name: a, run: x, condition: always(), shell: bash -c, matrix: }]",
  "command: ~\nsteps: [{name: a, run: x}]\njob: {steps: , command: }",
  "source: {type: git, url: x, path: {a: b}}\ntriggers: [a]\nenvironment: A=1",
  "source: {type: ''}\nci_source:\ncheckout: {mode: shared}\nonly: [a, b]",
];

const INVALID = [
  "[]",
  "text",
  "comand: make",
  "command: [make]",
  'command: "\\0"',
  "command: x\nsteps: [{name: a, run: x}]",
  "job: {command: x}\nsteps: [{name: a, run: x}]",
  "steps: [{name: a, run: x}]\njob: {steps: [{name: a, run: x}]}",
  "steps: []",
  "steps: {}",
  "steps: [{name: a}]",
  "steps: [{run: x}]",
  "steps: [{name: -a, run: x}]",
  "steps: [{name: -1, run: x}]",
  "steps: [{name: 'a/b', run: x}]",
  "steps: {'a,b': {run: x}}",
  "steps: {a: x}",
  "steps: {a: {name: a, run: x}}",
  "steps: [{name: a, run: x, required: yes}]",
  "steps: [{name: a, run: x, retry: 101}]",
  "steps: [{name: a, run: x, retry: {attempts: 2, jitter: 1.5}}]",
  "steps: [{name: a, run: x, retry: {delay: 1}}]",
  "steps: [{name: a, run: x, needs: [b], depends_on: [b]}]",
  "steps: [{name: a, run: x, needs: [~]}]",
  "steps: [{name: a, run: x, item_var: 5}]",
  "steps: [{name: a, run: x, matrix: {}}]",
  "steps: [{name: a, run: x, matrix: {exclude: [{A: 1}], include: }}]",
  "steps: [{name: a, run: x, for_each: [[1]]}]",
  "steps: [{name: a, run: x, timeout: soon}]",
  "stderr: both",
  "timeout: -1",
  "concurrency: 0",
  "max_line_bytes: 79",
  "environment: {A=B: c}",
  "job: {triggers: x}",
];

describe("jobFileSchema()", () => {
  it("describes every key", () => {
    const missing: string[] = [];
    const walk = (at: string, value: unknown) => {
      if (typeof value !== "object" || value === null) return;
      for (const [key, inner] of Object.entries(value)) {
        // Conditions contain keys that are described elsewhere.
        if (key === "allOf" || key === "not") continue;
        if (key === "properties") {
          for (const [name, one] of Object.entries(inner)) {
            if (!(one as { description?: string }).description) {
              missing.push(`${at}/${name}`);
            }
          }
        }
        walk(`${at}/${key}`, inner);
      }
    };
    walk("", schema);
    assertEquals(missing, []);
  });

  it("accepts the same documents as the parser", async () => {
    await using directory = await temporaryDirectory();
    const path = `${directory.path}/job.yaml`;
    for (const text of VALID) {
      assertEquals(await problemsOf(path, text), [], text);
      const document = parse(text, { schema: "core" });
      assert(accepts(document), `${text}\n${JSON.stringify(accepts.errors)}`);
    }
    for (const text of INVALID) {
      assert((await problemsOf(path, text)).length > 0, text);
      assert(!accepts(parse(text, { schema: "core" })), text);
    }
  });

  it("accepts the same random documents as the parser", async () => {
    const random = new Random();
    await using directory = await temporaryDirectory();
    const path = `${directory.path}/job.yaml`;
    const seen = { valid: 0, invalid: 0 };
    for (let round = 0; round < 1_000; round++) {
      const text = JSON.stringify(randomFile(random));
      // A schema does not know which files exist.
      const problems = (await problemsOf(path, text)).filter((problem) =>
        !/env_file(?:\[\d+\])? (?:"[^"]*" cannot be read|requires environment)/
          .test(problem)
      );
      const isAccepted = accepts(JSON.parse(text));
      assertEquals(
        isAccepted,
        problems.length === 0,
        `seed ${random.seed}, round ${round}: ${text}\n${
          problems.join("\n")
        }\n${JSON.stringify(accepts.errors)}`,
      );
      seen[isAccepted ? "valid" : "invalid"]++;
    }
    assert(seen.valid > 100 && seen.invalid > 100, JSON.stringify(seen));
  });
});

/** Values, each of which is valid for some keys and invalid for others. */
const VALUES = [
  ...[null, true, false, 0, 1, 2, 0.5, 1.5, 80, 100, 101, 255, 256, 1_024],
  ...[
    3_153_600_000,
    3_153_600_001,
    -1,
    "",
    " ",
    "a",
    "b",
    "A",
    "A_1",
    "true",
    "yes",
  ],
  ...["1", "01", "0.5", "1.0", "1.01", "256", "90s", "1h30m", "36501d", "1e3"],
  ...["always", "always()", "any_failed(needs)", "git", "shared", "kill"],
  ...["a b", " a", "-a", ".a", "a/b", "a,b", "a\0b", "é", "x".repeat(101)],
  ...["/job/x", "/etc", "bash -c", "A=1", "soon", [], ["a"], ["a", "b"]],
  ...[[1, 2], [""], [null], [["a"]], ["A", "B"], {}, { A: "b" }, { A: null }],
  ...[{ A: ["b", 1, null] }, { "A=B": "c" }, { A: [] }, { A: { B: "c" } }],
  ...[{ attempts: 2 }, { attempts: 0 }, { attempts: 2, factor: 2, backoff: 1 }],
  ...[{ include: [{ A: 1 }] }, { exclude: [{ A: 1 }] }, { include: [{}] }],
  ...[{ A: [1], exclude: [{ A: 1 }] }, { A: [1], include: null, "b-c": [1] }],
];

/** Values that are valid for a key of a step. */
const RIGHT: Readonly<Record<string, unknown>> = {
  depends_on: ["a"],
  needs: "b",
  condition: "always",
  env: { A: 1, B: null },
  working_dir: "sub",
  timeout: "90s",
  retry: { attempts: 3, exit_codes: [1], delay: 1, jitter: 1, max_delay: "1m" },
  continue_on_error: true,
  required: "false",
  for_each: ["a", 1, null],
  item_var: "ITEM",
  matrix: { OS: ["a", "b"], include: [{ OS: "c", N: 1 }] },
  shell: "bash",
  neutral_exit: false,
  inherit_env: ["PATH"],
  untrusted: true,
};

const TOP_KEYS = Object.keys(schema.properties as Record<string, unknown>);

function randomFile(random: Random): unknown {
  const isWild = random.below(3) === 0;
  const count = random.below(4);
  const list = Array.from({ length: count }, () => randomStep(random, isWild));
  const steps = random.below(2) === 0 ? list : Object.fromEntries(
    list.map(({ name, ...body }, at) => [
      random.below(8) === 0 ? `${name}` : `step ${at}`,
      random.below(12) === 0 ? { name, ...body } : body,
    ]),
  );
  const file: Record<string, unknown> = count === 0 && random.below(4) > 0
    ? {}
    : random.below(3) === 0
    ? { job: { steps } }
    : { steps };
  for (let extra = random.below(3); extra > 0; extra--) {
    file[random.pick(TOP_KEYS)] = random.pick(VALUES);
  }
  return file;
}

function randomStep(random: Random, isWild: boolean): Record<string, unknown> {
  const step: Record<string, unknown> = {
    name: random.below(10) === 0 ? random.pick(VALUES) : `s${random.below(99)}`,
    run: random.below(10) === 0 ? random.pick(VALUES) : "x",
  };
  for (let extra = random.below(4); extra > 0; extra--) {
    const key = random.pick(Object.keys(RIGHT));
    step[key] = isWild ? random.pick(VALUES) : RIGHT[key];
  }
  if (random.below(20) === 0) delete step[random.pick(Object.keys(step))];
  if (random.below(20) === 0) step.unknown = 1;
  return step;
}
