import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EVENT_TYPES, type EventType } from "../../src/schema/when.ts";
import {
  type MatchedEvent,
  matchFilters,
} from "../../src/workflow/definition/filters.ts";
import { Random } from "../helpers/random.ts";

const FILTERS = {
  triggers: { events: ["push"], branches: ["main", "release/**"] },
  paths: { include: ["src/**"], exclude: ["**/*.md"] },
} as const;

const EVENT: MatchedEvent = {
  type: "push",
  branch: "main",
  changedFiles: ["src/a.ts"],
};

describe("matchFilters()", () => {
  it("starts jobs that match event, branch and paths, with the reason", () => {
    assertEquals(matchFilters(FILTERS, EVENT), {
      isStarted: true,
      reason: 'event push, branch "main", "src/a.ts" has changed',
    });
    assertEquals(
      matchFilters({ triggers: { events: ["tag_created"] }, paths: {} }, {
        type: "tag_created",
        branch: "v1",
        changedFiles: [],
      }),
      { isStarted: true, reason: 'event tag_created, tag "v1"' },
    );
    assertEquals(
      matchFilters(FILTERS, { ...EVENT, branch: "" }).isStarted,
      true,
    );
    assertEquals(matchFilters(FILTERS, { ...EVENT, changedFiles: undefined }), {
      isStarted: true,
      reason:
        'event push, branch "main", paths are ignored because the changed files are unknown',
    });
  });

  it("returns the reason for skipping the others", () => {
    const { triggers, paths } = FILTERS;
    const rows: [Partial<MatchedEvent>, Partial<typeof FILTERS>, string][] = [
      [{ type: "tag_created" }, {}, "event tag_created is not one of push"],
      [{ branch: "dev" }, {}, 'branch "dev" does not match main, release/**'],
      [{ changedFiles: [] }, {}, "no files have changed"],
      [
        { changedFiles: ["src/a.md"] },
        {},
        "the only changed file does not match src/** (without **/*.md)",
      ],
      [
        { changedFiles: ["a", "b"] },
        {},
        "none of 2 changed files matches src/** (without **/*.md)",
      ],
    ];
    for (const [event, filters, reason] of rows) {
      assertEquals(
        matchFilters({ triggers, paths, ...filters }, { ...EVENT, ...event }),
        { isStarted: false, reason },
      );
    }
    assertEquals(
      matchFilters({ triggers: {}, paths: {} }, EVENT).reason,
      "no events are configured",
    );
    assertEquals(
      matchFilters(
        { triggers: { events: ["tag_created"], branches: ["v2*"] }, paths: {} },
        { ...EVENT, type: "tag_created", branch: "v1" },
      ).reason,
      'tag "v1" does not match v2*',
    );
    const many = Array.from({ length: 9 }, (_, at) => `d${at}/**`);
    assertEquals(
      matchFilters({ triggers, paths: { include: many } }, EVENT).reason,
      "the only changed file does not match d0/**, d1/**, d2/**, d3/**, d4/**, d5/** and 3 more",
    );
    assertEquals(
      matchFilters({ triggers, paths: { exclude: ["src/**"] } }, EVENT).reason,
      "the only changed file does not match ** (without src/**)",
    );
  });

  it("agrees with the coordinator's rules on random input", () => {
    const random = new Random();
    const some = <T>(values: readonly T[]): T[] =>
      values.filter(() => random.below(3) === 0);
    const patterns = ["main", "*", "**", "release/*", "src/**", "*.md", "docs"];
    const texts = ["main", "release/1", "src/a.ts", "x.md", "docs", "a/b/c"];
    for (let round = 0; round < 2_000; round++) {
      const events = some<EventType>(EVENT_TYPES);
      const [branches, include, exclude] = [
        some(patterns),
        some(patterns),
        some(patterns),
      ];
      const type = random.pick(EVENT_TYPES);
      const branch = random.pick(["", ...texts]);
      const changedFiles = random.below(5) === 0 ? undefined : some(texts);
      const filters = {
        triggers: { events, branches },
        paths: { include, exclude },
      };
      const event = { type, branch, changedFiles };
      const isExpected = events.includes(type) &&
        (branches.length === 0 || branch === "" || fits(branches, branch)) &&
        (include.length + exclude.length === 0 || changedFiles === undefined ||
          changedFiles.some((file) =>
            (include.length === 0 || fits(include, file)) &&
            !fits(exclude, file)
          ));
      assertEquals(
        matchFilters(filters, event).isStarted,
        isExpected,
        `seed ${random.seed}: ${JSON.stringify({ filters, event })}`,
      );
    }
  });
});

/** The patterns of this test as regular expressions. */
function fits(patterns: readonly string[], text: string): boolean {
  const sources: Record<string, RegExp> = {
    "main": /^main$/,
    "*": /^[^/]*$/,
    "**": /^/,
    "release/*": /^release\/[^/]*$/,
    "src/**": /^src(\/|$)/,
    "*.md": /^[^/]*\.md$/,
    "docs": /^docs$/,
  };
  return patterns.some((pattern) => sources[pattern].test(text));
}
