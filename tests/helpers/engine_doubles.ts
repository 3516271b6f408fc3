/**
 * Engines that run exported workflows, as far as exported files use them: they
 * start jobs in order, pass results on and evaluate the expressions in
 * variables. Conditions of jobs are the runner's.
 *
 * @module
 */
import { parse } from "@std/yaml/parse";
import type { WorkflowEngine } from "../../src/workflow/export/engines.ts";
import { runMain } from "./run_main.ts";

/** A job as an engine starts it. */
interface EngineJob {
  /** Id of the job, with the index of an item. */
  readonly key: string;
  readonly needs: readonly string[];
  /** Whether it starts although a needed job has failed. */
  readonly isGated: boolean;
  readonly script: string;
  /** Returns its variables, given the results of its needs. */
  readonly env: (resultOf: (key: string) => string) => Record<string, string>;
}

/** How a job ended. */
export interface EngineEnd {
  /** Exit code; `undefined` if the engine did not start it. */
  readonly exitCode: number | undefined;
  /** What it printed. */
  readonly output: string;
}

// deno-lint-ignore no-explicit-any
type Yaml = any;

/**
 * Runs an exported file.
 *
 * @param cwd Directory of the code.
 * @param env Variables of the engine, such as its secrets.
 * @returns Ends by ids of jobs, with the index of an item.
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
    const variables = {
      ...env,
      ...job.env((key) => results.get(key) ?? ""),
    };
    const output = `${cwd}/.engine-output`;
    const { args, stdin } = await runnerCall(job.script, {
      ...variables,
      GITHUB_OUTPUT: output,
    });
    const file = args[args.indexOf("--result-file") + 1];
    // All templates of Argo use the same path, each in its container.
    const place = file.startsWith("/tmp/runnerlib-") ? output : file;
    const { code, stdout, stderr } = await runMain(
      args.map((arg) => arg === file ? place : arg),
      { cwd, stdin, env: variables },
    );
    if (args.includes("--result-file")) {
      const path = place.startsWith("/") ? place : `${cwd}/${place}`;
      results.set(job.key, await Deno.readTextFile(path));
      await Deno.remove(path);
    }
    ends.set(job.key, { exitCode: code, output: stdout + stderr });
  }
  return ends;
}

/** What a script gives to the runner, as a shell understands it. */
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
        // A dotenv report is a list of variables.
        env: (resultOf: (key: string) => string) => ({
          ...job.parallel ? { RUNNERLIB_ITEM: `${item}` } : {},
          ...variablesIn(job.needs.flatMap(keysOf).map(resultOf).join("")),
        }),
      }))
    );
  },
  github({ jobs, env: _env }) {
    const keysOf = (id: string) =>
      itemKeys(id, jobs[id].strategy?.matrix.item.length);
    return Object.entries<Yaml>(jobs).flatMap(([id, job]) =>
      keysOf(id).map((key, item) => ({
        key,
        needs: (job.needs ?? []).flatMap(keysOf),
        isGated: job.if === "${{ !cancelled() }}",
        script: job.steps[1].run,
        env: (resultOf: (key: string) => string) =>
          mapped(job.steps[1].env ?? {}, (value: string) => {
            const [, need, name] =
              /^\$\{\{ needs\.([\w-]+)\.outputs\.(\w+) \}\}$/.exec(value) ?? [];
            if (need !== undefined) {
              return variablesIn(keysOf(need).map(resultOf).join(""))[name];
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
      const { script } = byName.get(task.template)!;
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
        env: (resultOf: (key: string) => string) =>
          mapped(
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
function variablesIn(text: string): Record<string, string> {
  return Object.fromEntries(
    [...text.matchAll(/^(\w+)=(.*)$/gm)].map((
      [, name, value],
    ) => [name, value]),
  );
}

function mapped(
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
