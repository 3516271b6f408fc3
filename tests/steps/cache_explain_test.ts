import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  encodeLastEntry,
  encodeStepEntry,
  keyOfParts,
  lastEntryName,
  type StepEntry,
  stepEntryName,
} from "../../src/cache/step_entry.ts";
import { type CachedJob, cachedJob } from "../helpers/cached_job.ts";
import { makeFiles } from "../helpers/temporary_directory.ts";

/** Parts of the definition of the job that changes modify. */
interface State {
  build: Record<string, unknown>;
  cache: Record<string, unknown>;
  environment: Record<string, string>;
  env: Record<string, string>;
  value: string;
  more: Record<string, Record<string, unknown>>;
}

/** A change to the job, and the only line that explains it. */
type Change = [
  name: string,
  line: string,
  change: (state: State, job: CachedJob) => Promise<unknown> | unknown,
];

const write = (job: CachedJob, path: string, text: string) =>
  Deno.writeTextFile(`${job.cwd}/${path}`, text);

/** Changes a part of the last result, such as the machine or the version. */
const altered = (part: string): Change[2] => (_, job) =>
  alterLast(job, part, "other");

/** Prints the version in the directory of the job and in one below. */
const TOOL = "cat version ../version 2>/dev/null || :";

const CHANGES: readonly Change[] = [
  [
    "content of a file",
    'input "src/a": content changed',
    (_, job) => write(job, "src/a", "changed"),
  ],
  [
    "mode of a file",
    'input "src/a": mode changed from 644 to 755',
    (_, job) => Deno.chmod(`${job.cwd}/src/a`, 0o755),
  ],
  [
    "content and mode of a file",
    'input "src/a": content changed, mode changed from 755 to 644',
    async (_, job) => {
      await write(job, "src/a", "changed again");
      await Deno.chmod(`${job.cwd}/src/a`, 0o644);
    },
  ],
  ["new file", 'input "src/new": new', (_, job) => write(job, "src/new", "n")],
  [
    "renamed file",
    'input "src/new": renamed to "src/other"',
    (_, job) => Deno.rename(`${job.cwd}/src/new`, `${job.cwd}/src/other`),
  ],
  [
    "removed file",
    'input "src/b": removed',
    (_, job) => Deno.remove(`${job.cwd}/src/b`),
  ],
  [
    "target of a link",
    'input "src/link": links to "../two" instead of "../one"',
    async (_, job) => {
      await Deno.remove(`${job.cwd}/src/link`);
      await Deno.symlink("../two", `${job.cwd}/src/link`);
    },
  ],
  [
    "file behind a link",
    'input "src/link": the file that it links to changed',
    (_, job) => write(job, "two", "changed"),
  ],
  [
    "file instead of a link",
    'input "src/link": was a link, is a file',
    async (_, job) => {
      await Deno.remove(`${job.cwd}/src/link`);
      await write(job, "src/link", "file");
    },
  ],
  [
    "excluded file",
    'input "src/link": removed',
    ({ cache }) => cache.inputs = ["/src/**", "!/src/link"],
  ],
  ["variable", 'variable "NAMED": changed', ({ env }) => env.NAMED = "2"],
  ["unset variable", 'variable "NAMED": changed', ({ env }) => {
    delete env.NAMED;
  }],
  [
    "named variable",
    'variable "OTHER": new',
    ({ cache }) => cache.env = ["NAMED", "OTHER"],
  ],
  [
    "variable of the job",
    'variable "OF_JOB": changed',
    ({ environment }) => environment.OF_JOB = "2",
  ],
  [
    "variable of the step",
    'variable "OWN": changed',
    ({ build }) => build.env = { OWN: "2" },
  ],
  ["command", "the command changed", ({ build }) => build.run = "echo other"],
  ["shell", "the shell changed", ({ build }) => build.shell = "bash"],
  [
    "output of a step that it needs",
    'output "value.text": changed',
    (state) => state.value = "2",
  ],
  [
    "files of a step that it needs",
    'files of step "gen": changed',
    (_, job) => write(job, "gen-input", "changed"),
  ],
  [
    "another step that it needs",
    'result of step "more": new',
    ({ build, more }) => {
      more.more = { run: "true" };
      build.depends_on = ["value", "gen", "more"];
    },
  ],
  [
    "output of a command",
    `output of command "${TOOL}": changed`,
    (_, job) => write(job, "version", "2"),
  ],
  [
    "another command",
    'output of command "uname": new',
    ({ cache }) => cache.commands = [TOOL, "uname"],
  ],
  [
    "patterns of outputs",
    "the patterns of outputs changed",
    ({ cache }) => cache.outputs = ["/out/**", "/more/**"],
  ],
  [
    "working directory",
    'the working directory changed from "" to "src"',
    ({ build }) => build.working_dir = "src",
  ],
  [
    "architecture",
    `the architecture changed from "other" to "${Deno.build.arch}"`,
    altered("architecture"),
  ],
  [
    "system",
    `the system changed from "other" to "${Deno.build.os}"`,
    altered("system"),
  ],
  [
    "image",
    'the image of the container changed from "other" to ""',
    altered("image"),
  ],
  ["permissions", "the permissions changed", altered("permissions")],
];

async function alterLast(
  { store }: CachedJob,
  part: string,
  value: string,
): Promise<void> {
  const read = async (path: string) => {
    const text = await Deno.readTextFile(`${store}/${path}`);
    const { checksum: _, ...entry } = JSON.parse(text);
    return entry;
  };
  const steps = `${store}/v1/local/steps`;
  for await (const { name: step } of Deno.readDir(steps)) {
    const last = await read(lastEntryName({ namespace: "local", step }));
    if (last.name !== "build") continue;
    const entry: StepEntry = await read(stepEntryName(last));
    const parts = { ...entry.parts, [part]: value };
    const altered = { ...entry, parts, key: await keyOfParts(parts) };
    // Without its entry, the original result cannot be restored.
    await Deno.remove(`${store}/${stepEntryName(entry)}`);
    const files = [
      [stepEntryName(altered), await encodeStepEntry(altered)],
      [lastEntryName(altered), encodeLastEntry(altered)],
    ] as const;
    for (const [path, bytes] of files) {
      await Deno.writeFile(`${store}/${path}`, bytes);
    }
  }
}

async function define(job: CachedJob, state: State): Promise<void> {
  const { build, cache, environment, value, more } = state;
  await job.define({
    value: { run: `echo text=${value} >> $REACTORCIDE_OUTPUT` },
    gen: {
      run: "mkdir -p gen; cat gen-input > gen/file",
      cache: { inputs: "gen-input", outputs: "gen/**" },
    },
    ...more,
    build: { ...build, cache },
  }, { environment });
}

describe("--cache-explain", () => {
  it(`names each of ${CHANGES.length} kinds of changes`, async () => {
    await using job = await cachedJob({}, {
      "src/a": "a",
      "src/b": "b",
      "src/link": "-> ../one",
      "one": "same",
      "two": "same",
      "gen-input": "1",
      "version": "1",
    });
    const state: State = {
      build: {
        run: "echo built",
        env: { OWN: "1" },
        depends_on: ["value", "gen"],
      },
      cache: {
        inputs: ["/src/**"],
        outputs: ["/out/**"],
        env: "NAMED",
        commands: [TOOL],
      },
      environment: { OF_JOB: "1" },
      env: { NAMED: "1" },
      value: "1",
      more: {},
    };
    const explained = async () => {
      await define(job, state);
      // Nothing is remembered, so the last key is read from the store.
      const env = { ...state.env, XDG_CACHE_HOME: "", HOME: "" };
      const { code, stderr } = await job.run(["--cache-explain"], env);
      assertEquals(code, 0, stderr);
      return stderr.split("\n").flatMap((line) =>
        line.startsWith("[cache] build: ") ? [line.slice(15)] : []
      );
    };
    assertEquals(await explained(), ["runs, as no earlier result is known"]);
    for (const [name, line, change] of CHANGES) {
      await change(state, job);
      const expected = ["runs, as its key has changed", line];
      assertEquals(await explained(), expected, name);
    }
    assertEquals(await explained(), ["restored, as its key has not changed"]);
  });

  it("says that a result is gone, and why a step is not cached", async () => {
    await using job = await cachedJob({
      build: { run: "true", cache: { inputs: "src/**" } },
    }, { "src/a": "a" });
    await job.run();
    await Deno.remove(`${job.store}/v1`, { recursive: true });
    const { cached, stderr } = await job.run(["--cache-explain"]);
    assertEquals(cached, []);
    assertStringIncludes(
      stderr,
      "build: runs, as its result is not in the store",
    );
    await makeFiles(job.cwd, {
      "job.yaml": JSON.stringify({
        steps: { build: { run: "true", cache: { inputs: "nothing/**" } } },
      }),
    });
    const { stderr: reason } = await job.run(["--cache-explain"]);
    assertStringIncludes(
      reason,
      "build: not cached: no file matches its inputs",
    );
  });
});
