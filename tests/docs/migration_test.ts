import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
} from "@std/assert";
import * as library from "../../mod.ts";
import { CATALOG } from "../../src/cli/commands.ts";
import { parseYaml11 } from "../../src/cli/migration/inspect_definitions.ts";
import {
  findMissingNames,
  findProgramFix,
} from "../../src/cli/migration/python_runner.ts";
import { Variable } from "../../src/environment/variables.ts";
import { OPTIONS } from "../../src/options/options.ts";
import { readJobDefinition } from "../../src/workflow/definition/job_definition.ts";
import { REPOSITORY } from "../helpers/cli.ts";
import { runMain } from "../helpers/run_main.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const page = await Deno.readTextFile(`${REPOSITORY}/docs/migration.md`);

/** Rows of the table after a heading, without the header row. */
function rowsBehind(heading: string): string[][] {
  const [, text] = page.split(`${heading}\n`);
  assertNotEquals(text, undefined, heading);
  const rows = text.slice(text.indexOf("\n|")).split("\n").slice(1);
  const end = rows.findIndex((row) => !row.startsWith("|"));
  return rows.slice(2, end)
    .map((row) =>
      row.split(/(?<!\\)\|/).slice(1, -1).map((cell) => cell.trim())
    );
}

function codeIn(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, code]) => code);
}

Deno.test("the migration page names existing variables and options", async () => {
  const variables = new Set<string>(Object.values(Variable));
  for (const [name] of page.matchAll(/\bREACTORCIDE_\w+/g)) {
    assert(variables.has(name), name);
  }
  const commands = await CATALOG.load();
  const flags = new Set(
    commands.flatMap(({ flags }) => flags.map(({ name }) => name)),
  );
  // Options of other programs follow the names of the programs.
  const ours = page.replace(/<!--[\s\S]*?-->/g, "")
    .replace(/\b(?:git (?:describe|diff|log)|docker build)\b[^`"\n|]*/g, "");
  for (const [, name] of ours.matchAll(/(?<![\w-])--([a-z][a-z-]+)/g)) {
    assert(flags.has(name), name);
  }
});

Deno.test("the migration page names exports of the libraries", () => {
  const exported = new Set(Object.keys(library));
  for (const [python, ours] of rowsBehind("## Library")) {
    const names = [...python.matchAll(/(?<![.\w])([a-z]+_[a-z_]+)\(/g)];
    for (const [, name] of names) {
      if (name === "add_step") continue;
      assertEquals(
        findMissingNames(`from runnerlib import ${name}\n`),
        [],
        name,
      );
    }
    for (const [, name] of ours.matchAll(/(?<![.\w])([a-z]+[A-Z]\w+)\(/g)) {
      assert(exported.has(name), name);
    }
  }
});

Deno.test("the migration page lists how YAML values change", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  const rows = rowsBehind("### Values of YAML");
  assert(rows.length >= 5);
  for (const [written, was, is, fix] of rows) {
    const read = async (line: string) => {
      await makeFiles(path, {
        "job.yaml":
          `name: a\ntriggers: { events: [push] }\njob: { command: a }\nenvironment:\n  ${line}\n`,
      });
      const { job: { env } } = await readJobDefinition(path, "job.yaml");
      return Object.values(env)[0];
    };
    const [line] = codeIn(written);
    const [old] = codeIn(was);
    const source = line.slice(line.indexOf(":") + 1).trim();
    assertEquals(parseYaml11(source)?.text, old, line);
    assertEquals(await read(line), codeIn(is)[0] ?? "", line);
    assertEquals(await read(codeIn(fix)[0]), old, line);
  }
});

Deno.test("the migration page names targets as the doctor does", () => {
  let count = 0;
  for (const [programs, target] of rowsBehind("### Programs")) {
    const targets = codeIn(target);
    for (const program of programs.split(/[ ,…`]+/)) {
      const found = findProgramFix(program);
      if (found === undefined) continue;
      count++;
      const [, name = found] = /--target (\w+)/.exec(found) ?? [];
      assert(
        targets.some((one) => name.includes(one)),
        `${program}: ${found}`,
      );
    }
  }
  assert(count > 10);
});

Deno.test("the doctor names existing targets of the image and their programs", async () => {
  const dockerfile = await Deno.readTextFile(`${REPOSITORY}/Dockerfile`);
  const full = await Deno.readTextFile(`${REPOSITORY}/image/full.sh`);
  const packages: Record<string, string> = {
    ...{ curl: "curl", sudo: "sudo", rsync: "rsync", podman: "podman" },
    ...{ gcc: "build-essential", make: "build-essential", go: "golang-go" },
    ...{ cargo: "cargo-web", rustc: "rustc-web", "pkg-config": "pkg-config" },
    ...{ "fuse-overlayfs": "fuse-overlayfs", newuidmap: "uidmap" },
  };
  for (const [program, name] of Object.entries(packages)) {
    const fix = findProgramFix(program) ?? "";
    assertEquals(fix, "docker build --target full .", program);
    assert(full.split(/\s+/).includes(name), name);
  }
  for (const program of [...Object.keys(packages), "python3", "uv", "webi"]) {
    const fix = findProgramFix(program) ?? "";
    const [, target] = /target (\w+)/.exec(fix) ?? [];
    assertMatch(dockerfile, new RegExp(`^FROM \\w+ AS ${target}$`, "m"));
  }
  assert(full.includes("pipx"));
});

Deno.test("each difference of the migration page has a section", () => {
  for (const [difference] of rowsBehind("## Differences")) {
    const [, anchor] = /\]\(#([\w-]+)\)/.exec(difference) ?? [];
    if (anchor === undefined) continue;
    const headings = [...page.matchAll(/^#+ (.*)$/gm)]
      .map(([, text]) => text.toLowerCase().replaceAll(" ", "-"));
    assert(headings.includes(anchor), anchor);
  }
});

Deno.test("the migration page describes the effect of invalid definitions", async () => {
  const good = (name: string) =>
    `name: ${name}\ntriggers: { events: [push] }\njob: { command: make }\n`;
  const workflow =
    "name: w\non: { events: [push] }\njobs:\n  a: { command: make }\n";
  const rows: readonly [
    files: Record<string, string>,
    code: number,
    jobs: readonly string[],
  ][] = [
    [{ "jobs/a.yaml": good("a"), "jobs/b.yaml": "name: b\n" }, 1, ["a"]],
    [{ "jobs/a.yaml": good("a"), "jobs/b.yaml": good("a") }, 1, []],
    [{ "jobs/a.yaml": good("a"), "workflows/w.yaml": "name: [\n" }, 1, []],
    [{ "jobs/a.yaml": good("a"), "workflows/w.yaml": workflow }, 0, ["a"]],
  ];
  for (const [files, expected, jobs] of rows) {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "source/": "",
      ...Object.fromEntries(
        Object.entries(files)
          .map(([name, text]) => [`ci/.reactorcide/${name}`, text]),
      ),
    });
    const { code } = await runMain(
      [
        ...["eval", "--event-type", "push", "--ci-source-dir", `${path}/ci`],
        ...["--source-dir", `${path}/source`],
      ],
      { cwd: path, env: { REACTORCIDE_IN_CONTAINER: "false" } },
    );
    const document = await Deno.readTextFile(`${path}/job/triggers.json`)
      .then(JSON.parse, () => ({ jobs: [] }));
    const found = (document.workflows ?? [document])
      .flatMap(({ jobs }: { jobs: { job_name: string }[] }) => jobs)
      .map(({ job_name }: { job_name: string }) => job_name);
    assertEquals([code, found], [expected, jobs], JSON.stringify(files));
  }
});

Deno.test("the migration page names the defaults of options", () => {
  const defaults = new Map(
    OPTIONS.map((option) => [
      option.name as string,
      "default" in option ? option.default : undefined,
    ]),
  );
  assertEquals(defaults.get("grace"), "10s");
  assertEquals(defaults.get("fetch_depth"), "1");
  assertEquals(defaults.get("git_lfs"), "auto");
  const patterns = String(defaults.get("secret_env_patterns")).split(",");
  for (const [, name] of page.matchAll(/`(\*_[A-Z]+)`/g)) {
    assert(patterns.includes(name), name);
  }
});
