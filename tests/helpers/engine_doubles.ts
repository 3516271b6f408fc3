/**
 * Engines that run exported workflows, as far as exported files use them: they
 * start jobs in order, pass results on and evaluate the expressions in
 * variables. Conditions of jobs are the runner's.
 *
 * @module
 */
import { parse } from "@std/yaml/parse";
import type { WorkflowEngine } from "../../src/workflow/export/engines.ts";
import { removeTree } from "../../src/workspace/remove.ts";
import { runMain } from "./run_main.ts";
import { exists } from "./temporary_directory.ts";

/** A job as an engine starts it. */
interface EngineJob {
  /** ID of the job, with the index of an item. */
  readonly key: string;
  readonly needs: readonly string[];
  /** Whether it starts although a needed job has failed. */
  readonly isGated: boolean;
  readonly script: string;
  /** Jobs from which it gets artifacts. */
  readonly artifactsFrom: readonly string[];
  /** Whether it passes artifacts on. */
  readonly hasArtifacts: boolean;
  /** Whether the script joins them. */
  readonly isArgo?: boolean;
  /** Returns its variables, given the results of its needs. */
  readonly env: (resultOf: (key: string) => string) => Record<string, string>;
}

/** How a job ended. */
export interface EngineEnd {
  /** Exit code; `undefined` if the engine did not start it. */
  readonly exitCode: number | undefined;
  /** Its output. */
  readonly output: string;
}

// deno-lint-ignore no-explicit-any
type Yaml = any;

/**
 * Runs an exported file.
 *
 * @param cwd Directory of the code.
 * @param env Variables of the engine, such as its secrets.
 * @returns Ends by IDs of jobs, with the index of an item.
 */
export async function runExported(
  text: string,
  { engine, cwd, env = {} }: {
    engine: WorkflowEngine;
    cwd: string;
    env?: Record<string, string>;
  },
): Promise<Map<string, EngineEnd>> {
  const jobs = READERS[engine](parse(text));
  const ends = new Map<string, EngineEnd>();
  const results = new Map<string, string>();
  while (ends.size < jobs.length) {
    const job = jobs.find(({ key, needs }) =>
      !ends.has(key) && needs.every((need) => ends.has(need))
    )!;
    const isWanted = job.isGated ||
      job.needs.every((need) => ends.get(need)!.exitCode === 0);
    if (!isWanted) {
      ends.set(job.key, { exitCode: undefined, output: "" });
      continue;
    }
    // Each job has a directory of its own, and a /tmp.
    const place = await Deno.makeTempDir({ dir: cwd });
    const output = `${place}/engine-output`;
    const store = findStore(job, place);
    for (const key of job.artifactsFrom) {
      const kept = `${cwd}/artifacts of ${key}`;
      const to = job.isArgo ? `${place}/needed/${key}` : store;
      if (await exists(kept)) await copyTree(kept, to);
    }
    const variables = {
      ...env,
      ...job.env((key) => results.get(key) ?? ""),
    };
    const { args, stdin } = await runnerCall(
      job.script.replaceAll("/tmp/runnerlib-", `${place}/`),
      { ...variables, GITHUB_OUTPUT: output },
    );
    const { code, stdout, stderr } = await runMain(args, {
      ...{ cwd: place, stdin, env: variables },
    });
    if (args.includes("--result-file")) {
      const file = args[args.indexOf("--result-file") + 1];
      const path = file.startsWith("/") ? file : `${place}/${file}`;
      results.set(job.key, await Deno.readTextFile(path));
    }
    if (job.hasArtifacts && await exists(store)) {
      await copyTree(store, `${cwd}/artifacts of ${job.key}`);
    }
    await removeTree(place);
    ends.set(job.key, { exitCode: code, output: stdout + stderr });
  }
  for (const { key } of jobs) await removeTree(`${cwd}/artifacts of ${key}`);
  return ends;
}

/** Returns where a job finds and leaves artifacts. */
function findStore({ isArgo }: EngineJob, place: string): string {
  return `${place}/${isArgo ? "artifacts" : ".reactorcide/exported/artifacts"}`;
}

async function copyTree(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  await new Deno.Command("cp", { args: ["-R", `${from}/.`, to] }).output();
}

/** Arguments that a script passes to the runner, as a shell parses them. */
export async function runnerCall(
  script: string,
  env: Record<string, string>,
): Promise<{ args: string[]; stdin: string }> {
  const { stdout } = await new Deno.Command("sh", {
    args: [
      "-ec",
      `runnerlib() { printf '%s\\0' "$@"; printf '\\0'; cat; }\n${script}`,
    ],
    env,
    stderr: "inherit",
  }).output();
  const text = new TextDecoder().decode(stdout);
  const end = text.indexOf("\0\0");
  return { args: text.slice(0, end).split("\0"), stdin: text.slice(end + 2) };
}

const READERS: Readonly<Record<WorkflowEngine, (file: Yaml) => EngineJob[]>> = {
  gitlab({ workflow: _workflow, variables: _variables, ...jobs }) {
    const keysOf = (id: string) =>
      itemKeys(id, jobs[id].parallel?.matrix[0].RUNNERLIB_ITEM?.length);
    return Object.entries<Yaml>(jobs).flatMap(([id, job]) =>
      keysOf(id).map((key, item) => ({
        key,
        needs: job.needs.flatMap(keysOf),
        isGated: job.when === "always",
        script: job.script[0],
        artifactsFrom: job.needs.flatMap(keysOf),
        hasArtifacts: job.artifacts?.paths !== undefined,
        // A dotenv report is a list of variables.
        env: (resultOf: (key: string) => string) => ({
          ...job.parallel ? { RUNNERLIB_ITEM: `${item}` } : {},
          ...readVariables(job.needs.flatMap(keysOf).map(resultOf).join("")),
        }),
      }))
    );
  },
  github({ jobs, env: _env }) {
    const keysOf = (id: string) =>
      itemKeys(id, jobs[id].strategy?.matrix.item.length);
    const stepOf = (job: Yaml, word: string) =>
      job.steps.filter((step: Yaml) =>
        step.id === word || step.uses?.includes(word)
      );
    const uploaded = Object.entries<Yaml>(jobs).flatMap(([id, job]) =>
      stepOf(job, "upload-artifact").flatMap((step: Yaml) =>
        keysOf(id).map((key, item) => [
          key,
          step.with.name.replace("${{ matrix.item }}", `${item}`),
        ])
      )
    );
    return Object.entries<Yaml>(jobs).flatMap(([id, job]) =>
      keysOf(id).map((key, item) => ({
        key,
        artifactsFrom: stepOf(job, "download-artifact").flatMap(
          ({ with: { name, pattern } }: Yaml) =>
            uploaded.filter(([, other]) =>
              pattern ? other.startsWith(pattern.slice(0, -1)) : other === name
            ).map(([key]) => key),
        ),
        hasArtifacts: stepOf(job, "upload-artifact").length > 0,
        needs: (job.needs ?? []).flatMap(keysOf),
        isGated: job.if === "${{ !cancelled() }}",
        script: stepOf(job, "job")[0].run,
        env: (resultOf: (key: string) => string) =>
          mapValues(stepOf(job, "job")[0].env ?? {}, (value: string) => {
            const [, need, name] =
              /^\$\{\{ needs\.([\w-]+)\.outputs\.(\w+) \}\}$/.exec(value) ?? [];
            if (need !== undefined) {
              return readVariables(keysOf(need).map(resultOf).join(""))[name];
            }
            return value === "${{ matrix.item }}" ? `${item}` : undefined;
          }),
      }))
    );
  },
  argo({ spec: { templates: [{ dag }, ...templates] } }) {
    const byName = new Map<string, Yaml>(
      templates.map((template: Yaml) => [template.name, template]),
    );
    return dag.tasks.map((task: Yaml) => {
      const { script, outputs } = byName.get(task.template)!;
      const parameters = new Map<string, string>(
        (task.arguments?.parameters ?? []).map(
          ({ name, value }: Yaml) => [name, value],
        ),
      );
      return {
        key: task.name,
        needs: [...new Set(task.depends?.match(/[\w-]+(?=\.)/g) ?? [])],
        isGated: task.depends?.includes("Failed") ?? false,
        script: script.source,
        artifactsFrom: (task.arguments?.artifacts ?? []).map(
          ({ from }: Yaml) => /tasks\.([\w-]+)\./.exec(from)![1],
        ),
        hasArtifacts: outputs?.artifacts !== undefined,
        isArgo: true,
        env: (resultOf: (key: string) => string) =>
          mapValues(
            Object.fromEntries(
              script.env.map(({ name, value }: Yaml) => [name, value ?? ""]),
            ),
            (value: string) => {
              const [, input] = /^\{\{inputs\.parameters\.(\w+)\}\}$/
                .exec(value) ?? [];
              const given = parameters.get(input);
              const [, need] =
                /^\{\{tasks\.([\w-]+)\.outputs\.parameters\.result\}\}$/
                  .exec(given ?? "") ?? [];
              return need === undefined ? given : resultOf(need);
            },
          ),
      };
    });
  },
};

function itemKeys(id: string, count: number | undefined): string[] {
  return count === undefined
    ? [id]
    : Array.from({ length: count }, (_, item) => `${id}-${item}`);
}

/** Reads lines of `NAME=value`. */
function readVariables(text: string): Record<string, string> {
  return Object.fromEntries(
    [...text.matchAll(/^(\w+)=(.*)$/gm)].map((
      [, name, value],
    ) => [name, value]),
  );
}

function mapValues(
  values: Record<string, string>,
  convert: (value: string) => string | undefined,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) => {
      const converted = convert(value);
      return converted === undefined ? [] : [[name, converted]];
    }),
  );
}
