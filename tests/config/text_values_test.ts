import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { SettingValue } from "../../src/config/settings.ts";
import { type JobEnv, parseJobEnv } from "../../src/config/text_values.ts";
import { Random } from "../helpers/random.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

function parse(value: SettingValue, cwd = "/"): JobEnv {
  const { env, problems } = parseJobEnv({ value, origin: "test" }, cwd);
  return { env: { ...env }, problems };
}

describe("parseJobEnv() reads lines", () => {
  it("as they are written, without surrounding white space", () => {
    const texts: [string, Record<string, string>][] = [
      ["", {}],
      ["A=1", { A: "1" }],
      ["A=1\nB=2\n", { A: "1", B: "2" }],
      ["A=1\r\nB=2\r\n", { A: "1", B: "2" }],
      ["  A  =  1  ", { A: "1" }],
      ["A=1,B=2", { A: "1,B=2" }],
      ["A=x=y==", { A: "x=y==" }],
      ["A=", { A: "" }],
      ["A='q' \"d\" \\n $B", { A: "'q' \"d\" \\n $B" }],
      ["export A=1", { A: "1" }],
      ["  export\tA = 1 # comment", { A: "1" }],
      ["export A='q $B \\n' # x", { A: "q $B \\n" }],
      ['export A="q\\n\\"d\\" \\$B \\x"', { A: 'q\n"d" $B \\x' }],
      ["export A=\"1\n#2\n\"\nB='3'", { A: "1\n#2\n", B: "'3'" }],
      ["export A='1\r\n2'\r\nexport B=3", { A: "1\r\n2", B: "3" }],
      ["export A=''\nexport B=#x\nexport C=a#b", { A: "", B: "", C: "a#b" }],
      ["export=1\nexported=2", { export: "1", exported: "2" }],
      ["export export=1", { export: "1" }],
      ["A=1 # no comment", { A: "1 # no comment" }],
      ["A=1\nA=2\nA=3", { A: "3" }],
      ["\n  \n\t\n# A=1\n  #B=2\nC=3", { C: "3" }],
      ["A=é✓😀", { A: "é✓😀" }],
      ["A=./job/file", { A: "./job/file" }],
      [
        "toString=1\nconstructor=2",
        { toString: "1", constructor: "2" } as never,
      ],
    ];
    for (const [text, env] of texts) {
      assertEquals(parse(text), { env, problems: [] }, JSON.stringify(text));
    }
  });

  it("and reports invalid lines by number, without their text", () => {
    const { problems } = parse("s3cret1\nA=1\n\n=s3cret2\n  s3cret3\n = \n");
    assertEquals(problems.length, 4);
    assert(problems[0].includes("line 1"), problems[0]);
    assert(problems[2].includes("line 5"), problems[2]);
    assert(!problems.join().includes("s3cret"), problems.join());
  });

  it("and reports an unterminated quote after export", () => {
    for (
      const [text, line] of [
        ["A=1\nexport B='s3cret", 2],
        ['export B="s3cret\\"', 1],
        ["export A='1\n2'\nexport B='s3cret' and more\nC=1", 3],
        ["export A='s3cret'\\''s'", 1],
      ] as const
    ) {
      assertEquals(parse(text).problems, [
        `line ${line} has an unclosed quote, or text after the closing quote`,
      ], text);
    }
  });

  it("and rejects NUL characters, which no program can get", () => {
    for (const text of ["A=a\0b", "A\0B=1"]) {
      assertEquals(parse(text).problems.length, 1);
      assertEquals(parse(text).env, {});
    }
  });

  it("and does not pollute prototypes", () => {
    const { env } = parseJobEnv(
      { value: "__proto__=x\nconstructor=y", origin: "test" },
      "/",
    );
    assertEquals(Object.entries(env), [["__proto__", "x"], [
      "constructor",
      "y",
    ]]);
    assertEquals(Object.getPrototypeOf({}), Object.prototype);
  });

  it("as a naive model does", () => {
    const random = new Random();
    for (let round = 0; round < 3_000; round++) {
      const text = random.text(random.below(40), "AB=# \t\r\n,'");
      const expected: Record<string, string> = {};
      let problemCount = 0;
      for (const raw of text.split("\n")) {
        const line = raw.trim();
        if (!line || line[0] === "#") continue;
        const [name, ...rest] = line.split("=");
        if (rest.length === 0 || name.trim() === "") problemCount++;
        else expected[name.trim()] = rest.join("=").trim();
      }
      const { env, problems } = parse(text);
      const note = `seed ${random.seed}, round ${round}`;
      assertEquals(env, expected, note);
      assertEquals(problems.length, problemCount, note);
    }
  });
});

describe("parseJobEnv() reads variables by name", () => {
  it("with their exact values", () => {
    const env = { A: " 1 ", B: "", C: "x\ny", D: "./job/file" };
    assertEquals(parse(env), { env, problems: [] });
  });

  it("and rejects names and values that no program can get", () => {
    const env = { "": "1", " ": "2", "A=B": "3", "C\0": "4", D: "\0", E: "6" };
    const { env: left, problems } = parse(env);
    assertEquals(left, { E: "6" });
    assertEquals(problems.length, 5);
  });

  it("and rejects values that are not strings", () => {
    const { env, problems } = parse(
      { A: 1, B: null, C: undefined, D: ["x"], E: "5" } as never,
    );
    assertEquals(env, { E: "5" });
    assertEquals(
      problems,
      ["A", "B", "C", "D"].map((name) =>
        `the value of "${name}" must be a string`
      ),
    );
  });
});

describe("parseJobEnv() reads a file below ./job", () => {
  it("like lines", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, {
      "job/env": "# variables\nA=1\n\nB=./job/env\n",
      "job/deep/er/env": "C=3",
      "job/empty": "",
    });
    const { path } = directory;
    assertEquals(parse("./job/env", path), {
      env: { A: "1", B: "./job/env" },
      problems: [],
    });
    assertEquals(parse("./job/deep/er/env", path).env, { C: "3" });
    assertEquals(parse("./job/empty", path), { env: {}, problems: [] });
  });

  it("through links that stay in the directory", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, {
      "job/real": "A=1",
      "job/link": "-> real",
      "elsewhere/env": "B=2",
      "outer/job": "-> ../elsewhere",
    });
    assertEquals(parse("./job/link", directory.path).env, { A: "1" });
    assertEquals(parse("./job/env", `${directory.path}/outer`).env, { B: "2" });
  });

  it("but not one that is elsewhere, missing or not a regular file", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "secret": "A=1",
      "jobs/env": "A=1",
      "job/link": "-> ../secret",
      "job/absolute": `-> ${path}/secret`,
      "job/loop": "-> loop",
      "job/dangling": "-> nothing",
      "job/up": "-> ..",
      "job/dir/": "",
      "job/a..b": "A=1",
    });
    const texts = {
      "./job/../secret": "must not leave ./job",
      "./job/dir/../../secret": "must not leave ./job",
      "./job/a..b": "must not leave ./job",
      "./job/link": "must not leave ./job",
      "./job/absolute": "must not leave ./job",
      "./job/up/secret": "must not leave ./job",
      "./job/none": "does not exist",
      "./job/dangling": "does not exist",
      "./job/loop": "cannot be read: too many levels of symbolic links",
      "./job/dir": "cannot be read: not a regular file",
      "./job/": "cannot be read: not a regular file",
      "./job/x\0y": "must not leave ./job",
    };
    for (const [text, problem] of Object.entries(texts)) {
      assertEquals(
        parse(text, path),
        { env: {}, problems: [`"${text}" ${problem}`] },
        text,
      );
    }
    assertEquals(parse("./job/env", "/nonexistent").problems.length, 1);
  });

  it("and no other path", () => {
    for (const text of ["job/env", "/job/env", "././job/env", "./jobs/env"]) {
      const [problem] = parse(text).problems;
      assert(
        [
          'line 1 has no "="',
          `"${text}" is not KEY=VALUE lines; a file must be in ./job, such as ./job/.env`,
        ].includes(problem),
        problem,
      );
    }
  });
});
