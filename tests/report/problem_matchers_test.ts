import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { LineMatcher } from "../../src/report/problem_finder.ts";
import {
  parseProblemMatchers,
  type Problem,
} from "../../src/report/problem_matchers.ts";

/** As the setup action of Node has it for ESLint's usual format. */
const ESLINT = {
  owner: "eslint-stylish",
  pattern: [
    { regexp: "^([^\\s].*)$", file: 1 },
    {
      regexp: "^\\s+(\\d+):(\\d+)\\s+(error|warning|info)\\s+(.*)\\s\\s+(.*)$",
      line: 1,
      column: 2,
      severity: 3,
      message: 4,
      code: 5,
      loop: true,
    },
  ],
};

const TSC = {
  owner: "tsc",
  pattern: [{
    regexp:
      "^(?:\\s+\\d+\\>)?([^\\s].*)\\((\\d+),(\\d+)\\)\\s*:\\s+(error|warning|info)\\s+(\\w{1,2}\\d+)\\s*:\\s*(.*)$",
    file: 1,
    line: 2,
    column: 3,
    severity: 4,
    code: 5,
    message: 6,
  }],
};

const PYTHON = {
  owner: "python",
  severity: "error",
  pattern: [
    {
      regexp: '^\\s*File\\s\\"(.*)\\",\\sline\\s(\\d+),\\sin\\s(.*)$',
      file: 1,
      line: 2,
    },
    { regexp: "^\\s*raise\\s(.*)\\(\\'(.*)\\'\\)$", message: 2 },
  ],
};

function find(lines: readonly string[], ...matchers: unknown[]): Problem[] {
  const text = JSON.stringify({ problemMatcher: matchers });
  const matcher = new LineMatcher(parseProblemMatchers(text), () => {});
  return lines.flatMap((line) => matcher.next(line) ?? []);
}

describe("LineMatcher", () => {
  it("finds problems of one line", () => {
    assertEquals(
      find(
        ["compiling", "src/a.ts(3,14): error TS2322: Type 'x' is not a y.", ""],
        TSC,
      ),
      [{
        owner: "tsc",
        severity: "error",
        message: "Type 'x' is not a y.",
        file: "src/a.ts",
        line: 3,
        column: 14,
        code: "TS2322",
      }],
    );
  });

  it("finds problems of several lines, of which the last may be repeated", () => {
    const found = find(
      [
        "test.js",
        '  1:0   error  Missing "use strict" statement                 strict',
        "  5:10  warning  'addOne' is defined but never used            no-unused-vars",
        "",
        "  9:9  error  of no file  x",
        "foo.js",
        "  36:10  error  Expected parentheses around arrow function argument  arrow-parens",
        "",
      ],
      ESLINT,
    );
    assertEquals(
      found.map(({ file, line, column, severity, code }) =>
        [file, line, column, severity, code].join(" ")
      ),
      [
        "test.js 1 0 error strict",
        "test.js 5 10 warning no-unused-vars",
        "foo.js 36 10 error arrow-parens",
      ],
    );
  });

  it("begins again when a line between does not match", () => {
    const file = '  File "a.py", line 7, in f';
    const raised = "    raise E('broken')";
    assertEquals(find([file, "x", raised], PYTHON), []);
    assertEquals(find([raised], PYTHON), []);
    assertEquals(find([file, file.replace("7", "8"), raised], PYTHON), [
      {
        owner: "python",
        severity: "error",
        message: "broken",
        file: "a.py",
        line: 8,
      },
    ]);
  });

  it("forgets a line that is not continued, with four patterns", () => {
    const pattern = ["a", "b", "c", "(d)"].map((regexp, index) => ({
      regexp: `^${regexp}$`,
      ...index === 3 ? { message: 1 } : {},
    }));
    const matcher = { owner: "four", pattern };
    assertEquals(find([..."abcd"], matcher).length, 1);
    assertEquals(find([..."aabcd"], matcher).length, 1);
    assertEquals(find([..."abxcd"], matcher).length, 0);
    assertEquals(find([..."abacd"], matcher).length, 0);
    assertEquals(find([..."abcabcd"], matcher).length, 1);
  });

  it("assigns a line to the first matcher that matches", () => {
    const any = { owner: "any", pattern: [{ regexp: "(.*)", message: 1 }] };
    const line = "a.ts(1,2): warning TS1: m";
    assertEquals(find([line], TSC, any).map(({ owner }) => owner), ["tsc"]);
    assertEquals(find([line], any, TSC).map(({ owner }) => owner), ["any"]);
  });

  it("skips problems without a message, and of an unknown severity", () => {
    const pattern = [{ regexp: "^(\\w*): ?(.*)$", severity: 1, message: 2 }];
    const lines = ["fatal: x", "NOTICE: y", "error:", ": default", "info: z"];
    assertEquals(
      find(lines, { owner: "x", severity: "warning", pattern }),
      [
        { owner: "x", severity: "notice", message: "y" },
        { owner: "x", severity: "warning", message: "default" },
      ],
    );
  });

  it("joins a path with that of a project, and ignores line numbers that are not numbers", () => {
    const pattern = [{
      regexp: "^(\\S+):(\\S+) (\\S+) \\[(.*)\\]$",
      file: 1,
      line: 2,
      message: 3,
      fromPath: 4,
    }];
    assertEquals(
      find(["a.cs:7 bad [lib/x.proj]", "/b.cs:99999999999 bad [lib/x.proj]"], {
        owner: "x",
        pattern,
      }),
      [
        {
          owner: "x",
          severity: "error",
          message: "bad",
          file: "lib/a.cs",
          line: 7,
        },
        { owner: "x", severity: "error", message: "bad", file: "/b.cs" },
      ],
    );
  });
});

describe("parseProblemMatchers()", () => {
  const invalid: readonly (readonly [text: string, message: string])[] = [
    ["{", "not valid JSON"],
    ["[]", 'must be an object with a list "problemMatcher"'],
    [
      '{"problemMatcher": [1]}',
      "problemMatcher[0] must be an object",
    ],
    [
      '{"problemMatcher": [{"owner": "", "severity": 1, "pattern": []}]}',
      [
        "problemMatcher[0].owner must be a string that is not empty",
        "problemMatcher[0].severity must be a string",
        "problemMatcher[0].pattern must have 1 to 10 members",
      ].join("\n  "),
    ],
    [
      '{"problemMatcher": [{"owner": "a", "pattern": [{"regexp": "(", "message": 1}]}]}',
      "problemMatcher[0].pattern[0].regexp must be a regular expression of JavaScript",
    ],
    [
      '{"problemMatcher": [{"owner": "a", "pattern": [{"regexp": "x", "message": "1", "loop": true}]}]}',
      [
        "problemMatcher[0].pattern[0].message must be the number of a group",
        "problemMatcher[0].pattern[0].loop is only for the last of several patterns",
      ].join("\n  "),
    ],
    [
      '{"problemMatcher": [{"owner": "a", "pattern": [{"regexp": "x", "file": 1}, {"regexp": "y", "file": 1}]}]}',
      [
        'problemMatcher[0].pattern must have only one "file"',
        'problemMatcher[0].pattern must have a "message"',
      ].join("\n  "),
    ],
    [
      JSON.stringify({ problemMatcher: Array(101).fill({}) }),
      "problemMatcher must have at most 100 members",
    ],
    [
      JSON.stringify({
        problemMatcher: [{
          owner: "a",
          pattern: { regexp: "x".repeat(4_001), message: 1 },
        }],
      }),
      "problemMatcher[0].pattern[0].regexp must be a string of at most 4000 characters",
    ],
  ];
  for (const [text, message] of invalid) {
    it(`rejects ${text.slice(0, 60)}`, () => {
      const error = assertThrows(() => parseProblemMatchers(text), Error);
      assertEquals(error.message, message);
    });
  }
});
