import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  type EventFacts,
  type When,
  whenProblem,
  whenReason,
} from "../../src/schema/when.ts";

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

Deno.test("whenProblem() finds mistakes of a program", () => {
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
    { event: "pull_request" },
    { not: { event: ["pushed"] } },
  ];
  for (const when of wrong) {
    assertEquals(typeof whenProblem(when), "string", JSON.stringify(when));
  }
  assertEquals(whenProblem({ branch: "x", not: { event: "push" } }), undefined);
});
