import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { stepProblem } from "../../src/plugins/sandbox/changes.ts";
import {
  type EventFacts,
  type When,
  whenProblem,
  whenReason,
} from "../../src/schema/when.ts";
import { readWorkflow } from "../../src/workflow/definition/read_workflow.ts";
import { Random } from "../helpers/random.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const FACTS: EventFacts = {
  branch: "main",
  tags: [],
  event: "push",
  changedFiles: ["src/a.ts", "line\nbreak", "docs/x.md"],
  reasons: { tag: "the event is not a tag" },
};

const ENV = { NAME: "value", EMPTY: "" };

function reason(when: When, facts: EventFacts = FACTS): string | undefined {
  return whenReason(when, facts, ENV);
}

describe("whenReason()", () => {
  it("accepts what matches", () => {
    const held: When[] = [
      {},
      { branch: "main" },
      { branch: ["x", "ma*"] },
      { branch: { any: "m*", not: ["master"] } },
      { branch: { not: "release/**" } },
      { tag: { not: "v*" } },
      { event: ["pull_request_*", "push"] },
      { paths: "src/**" },
      { paths: { any: "**", not: ["docs/**"] } },
      { paths: { not: "src/**" } },
      { paths: "line?break" },
      { env: { NAME: "value", EMPTY: "", OTHER: { not: "x" } } },
      { not: { branch: ["x", "y"], env: { NAME: "v*" } } },
    ];
    for (const when of held) assertEquals(reason(when), undefined);
  });

  it("names the part that does not hold", () => {
    const refused: [When, string][] = [
      [{ branch: "dev" }, 'when.branch: the branch is "main", not dev'],
      [
        { branch: { not: "m*" } },
        'when.branch: the branch is "main", which is excluded',
      ],
      [
        { branch: { any: "m*", not: "main" } },
        'when.branch: the branch is "main", which is excluded',
      ],
      [
        { tag: "v*" },
        "when.tag: the run has no tag (the event is not a tag)",
      ],
      [
        { event: "tag_created" },
        'when.event: the event is "push", not tag_created',
      ],
      [
        { branch: "main", paths: ["lib/**", "*.md"] },
        "when.paths: none of 3 changed files matches lib/**, *.md",
      ],
      [
        { paths: { any: "src/**", not: "**/*.ts" } },
        "when.paths: none of 3 changed files matches src/** (without **/*.ts)",
      ],
      [
        { env: { NAME: ["a", "b"] } },
        'when.env.NAME: the value is not "a", "b"',
      ],
      [{ env: { OTHER: "x" } }, "when.env.OTHER: the variable is not set"],
      [
        { env: { toString: "x" } },
        "when.env.toString: the variable is not set",
      ],
      [{ not: { event: "push" } }, "when.not.event holds"],
      [{ branch: [] }, 'when.branch: the branch is "main", not '],
    ];
    for (const [when, text] of refused) assertEquals(reason(when), text);
  });

  it("never holds for an unknown fact, even with not", () => {
    const unknown: EventFacts = { reasons: { branch: "no git" } };
    for (const match of ["**", ["**"], { not: "x" }, { any: "**" }] as const) {
      for (const part of ["branch", "tag", "event", "paths"] as const) {
        for (const when of [{ [part]: match }, { not: { [part]: match } }]) {
          assertEquals(typeof reason(when, unknown), "string", part);
        }
      }
    }
    assertEquals(
      reason({ branch: "**" }, unknown),
      "when.branch: the branch is unknown: no git",
    );
    assertEquals(
      reason({ paths: "**" }, { ...FACTS, changedFiles: [] }),
      "when.paths: no files have changed",
    );
  });

  it("shows no value of a variable", () => {
    const text = whenReason({ env: { A: "x" } }, FACTS, { A: "s3cr3t" });
    assertEquals(text, 'when.env.A: the value is not "x"');
  });

  it("has no branch without a branch", () => {
    const facts: EventFacts = { ...FACTS, branch: null };
    assertEquals(reason({ branch: { not: "main" } }, facts), undefined);
    assertEquals(
      reason({ branch: "**" }, facts),
      "when.branch: the run has no branch",
    );
  });
});

Deno.test("whenProblem() reports invalid conditions", () => {
  const wrong = [
    null,
    "main",
    [],
    { branhc: "x" },
    { branch: 1 },
    { branch: {} },
    { branch: { all: "x" } },
    { not: { tag: [1] } },
    { env: { A: 1 } },
    { env: { "A\nB": "x" } },
    { event: "pull_request" },
    { not: { event: ["pushed"] } },
  ];
  for (const when of wrong) {
    assertEquals(typeof whenProblem(when), "string", JSON.stringify(when));
  }
  const right = [
    { branch: "x", not: { event: "push" } },
    // A variable of a job can have such a name.
    { env: { "A B": "x", "with.dot": "y" } },
  ];
  for (const when of right) assertEquals(whenProblem(when), undefined);
});

Deno.test("programs, steps and workflow files accept the same conditions on the event", async () => {
  await using directory = await temporaryDirectory();
  const random = new Random();
  const pick = <T>(items: readonly T[]): T => items[random.below(items.length)];
  const value = (depth: number): unknown =>
    pick<() => unknown>([
      () => pick(["main", "push", "v*", "a b", "", " ", "a\0b", "\n", "**"]),
      () =>
        Array.from({ length: random.below(3) }, () => pick(["push", "", "*"])),
      () => pick([null, [], {}, [[]], [null]]),
      () => depth > 2 ? "main" : object(["any", "not", "all"], depth),
    ])();
  const object = (keys: readonly string[], depth: number): unknown =>
    Object.fromEntries(
      Array.from({ length: random.below(3) }, () => [
        pick(keys),
        value(depth + 1),
      ]),
    );
  const parts = ["branch", "tag", "event", "paths", "brunch"];
  let acceptedCount = 0;
  for (let round = 0; round < 400; round++) {
    const names = ["A", "a.b", "A=B", "", " "];
    const when = pick<() => unknown>([
      () => object(parts, 1),
      () => ({ not: object([...parts, "not"], 1) }),
      () => ({ env: object(names, 1) }),
      () => ({ not: { env: object(names, 1) } }),
      () => ({ [pick(["env", "not", "branch"])]: value(1) }),
    ])();
    const context = `seed ${random.seed}: ${JSON.stringify(when)}`;
    const step = { name: "a", run: "true", when };
    await makeFiles(directory.path, {
      "w.json": JSON.stringify({
        name: "w",
        jobs: { a: { command: "x", when } },
      }),
    });
    const isAccepted = await readWorkflow(directory.path, "w.json")
      .then(() => true, () => false);
    assertEquals(whenProblem(when) === undefined, isAccepted, context);
    assertEquals(stepProblem(step) === undefined, isAccepted, context);
    if (isAccepted) acceptedCount++;
  }
  assert(acceptedCount > 40, `only ${acceptedCount}, seed ${random.seed}`);
});

Deno.test("whenProblem() accepts no part that would be ignored", () => {
  for (const part of ["branch", "", 5, true, null, [], ["branch"]]) {
    for (const when of [{ not: part }, { env: part }, { not: { env: part } }]) {
      assertEquals(typeof whenProblem(when), "string", JSON.stringify(when));
    }
  }
});
