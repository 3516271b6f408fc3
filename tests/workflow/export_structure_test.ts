import { assert, assertEquals, assertMatch } from "@std/assert";
import { parse as parseStd } from "@std/yaml/parse";
import { parse } from "yaml";
import type { WorkflowDefinition } from "../../src/workflow/definition/definition.ts";
import {
  parseWorkflow,
  readWorkflow,
} from "../../src/workflow/definition/read_workflow.ts";
import {
  ENGINES,
  type WorkflowEngine,
} from "../../src/workflow/export/engines.ts";
import { runnerCall } from "../helpers/engine_doubles.ts";
import { Random } from "../helpers/random.ts";
import { runMain } from "../helpers/run_main.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const ROUNDS = Number(Deno.env.get("EXPORT_ROUNDS") ?? 10);

const SECRET = "hunter2-hunter2-hunter2";

/** Texts that could mean something in YAML, in a shell or in an engine. */
const NASTY = [
  "#",
  "# x",
  ": ",
  "- a: b",
  "!!js/function x",
  "&a",
  "*a",
  "<<",
  "|",
  ">-",
  "'",
  '"',
  "''",
  "\\",
  "`id`",
  "$(id)",
  "$$",
  "${A}",
  "$[[ inputs.a ]]",
  "${{ secrets.A }}",
  "${{",
  "}}",
  "{{workflow.name}}",
  "{{=1+1}}",
  "{{{{",
  "{",
  "%",
  "@",
  "yes",
  "no",
  "null",
  "~",
  "1_000",
  "0x1F",
  "010",
  "1:30",
  "1e3",
  "2024-01-02",
  "---",
  "...",
  "é",
  "\u{1F600}",
  "\u2028",
  "\u0085",
  "\ufeff",
  "\u202e",
  "on",
  "true",
  "=",
  " ",
  "  x",
  "x  ",
  "?",
  ",",
  "]",
  "script:",
];

/** Texts with several lines, for values that may have them. */
const LINES = ["\n", "\r\n", "\n\n", "\t", "\n  ", "\nscript: [id]\n", "\n# x"];

function text(random: Random, parts: readonly string[]): string {
  return Array.from({ length: 1 + random.below(4) }, () => random.pick(parts))
    .join("");
}

function randomWorkflow(random: Random) {
  const line = () => text(random, NASTY);
  const lines = () => text(random, [...NASTY, ...LINES, ...LINES]);
  const name = (at: number) =>
    `${line().replace(/\[\d+\]$/, "")}${at}`
      .replace(/[\u0085\u2028]/g, "");
  const names = Array.from(
    { length: 1 + random.below(4) },
    (_, at) => name(at),
  );
  const env = () => ({
    [`N${random.below(9)}`]: lines(),
    [`${line().replace(/[=\u0085\u2028]/g, "")}n`]: lines(),
    API_TOKEN: random.pick([SECRET, "${secret:a/b:C}", `x \${secret:d:E}`]),
  });
  return {
    name: `${line()}x`,
    description: lines(),
    on: { events: ["push", "tag_created"], branches: [`m${line()}`] },
    vars: { [`v${line()}`]: lines(), n: 1.5, list: [null, true, lines()] },
    jobs: names.map((name, at) => ({
      name,
      description: lines(),
      ...at > 0 && random.below(2) ? { needs: [names[at - 1]] } : {},
      ...random.below(3) ? {} : { for_each: [lines(), 1, { a: [lines()] }] },
      environment: env(),
      ...random.below(3) ? { command: `${lines()}x` } : {
        steps: [{
          name: "s",
          run: `${lines()}x`,
          env: { ...env(), PLAIN: "1.0" },
          retry: { attempts: 3 },
          continue_on_error: true,
          matrix: { AXIS: ["1.10", lines()] },
        }],
      },
      ...random.below(4) ? {} : { when: { env: { A: [lines()] } } },
      priority: 3,
      timeout: 90,
    })),
  };
}

/** Keys of a job in each engine. */
const JOB_KEYS: Record<WorkflowEngine, string[]> = {
  gitlab: [
    ...["image", "needs", "when", "parallel", "timeout", "variables"],
    ...["script", "artifacts"],
  ],
  github: [
    ...["name", "runs-on", "container", "needs", "if", "strategy"],
    ...["timeout-minutes", "outputs", "steps"],
  ],
  argo: ["name", "inputs", "activeDeadlineSeconds", "script", "outputs"],
};

/** Expressions that an engine may find in its file. */
const EXPRESSIONS: Record<WorkflowEngine, [found: RegExp, ours: RegExp]> = {
  gitlab: [/\$\[\[/g, /^never$/],
  github: [
    /\$\{\{.*?\}\}/gs,
    /^\$\{\{ (needs\.[\w-]+\.outputs\.RUNNERLIB_RESULT_\w+|steps\.job\.outputs\.RUNNERLIB_RESULT_\w+|secrets\.SECRET_\w+|matrix\.item|!cancelled\(\)|github\..*|'\$\{\{') \}\}$/,
  ],
  argo: [
    /\{\{.*?\}\}|\{\{/gs,
    /^\{\{(workflow\.parameters\.[a-z-]+|inputs\.parameters\.RUNNERLIB_\w+|tasks\.[\w-]+\.outputs\.parameters\.result)\}\}$/,
  ],
};

// deno-lint-ignore no-explicit-any
type Yaml = any;

function partsOf(engine: WorkflowEngine, file: Yaml) {
  if (engine === "github") {
    const { jobs, ...rest } = file;
    return { keys: Object.keys(rest), jobs: Object.values<Yaml>(jobs) };
  }
  if (engine === "argo") {
    const { templates: [main, ...templates], ...spec } = file.spec;
    return {
      keys: [...Object.keys(file), ...Object.keys(spec), main.name],
      jobs: templates,
    };
  }
  const { workflow: _workflow, variables: _variables, ...jobs } = file;
  return { keys: [], jobs: Object.values<Yaml>(jobs) };
}

function scriptOf(engine: WorkflowEngine, job: Yaml): string {
  if (engine === "gitlab") return job.script[0];
  return engine === "github"
    ? job.steps.find((step: Yaml) => step.id === "job").run
    : job.script.source;
}

function* stringsIn(value: unknown): Generator<string> {
  if (typeof value === "string") yield value;
  if (typeof value !== "object" || value === null) return;
  for (const [key, member] of Object.entries(value)) {
    yield key;
    yield* stringsIn(member);
  }
}

/** Compares what a job runs, apart from secrets. */
function comparable({ vars, jobs }: WorkflowDefinition, at: number) {
  const { name, env, body } = jobs[at];
  const { command, steps, forEach, when, timeoutSeconds } = body;
  const text = JSON.stringify(
    { vars, name, env, command, steps, forEach, when, timeoutSeconds },
    (key, value) => key === "API_TOKEN" ? "" : value,
  );
  return JSON.parse(text);
}

Deno.test("a hostile workflow cannot inject anything into its export", async () => {
  const random = new Random(
    Number(Deno.env.get("S") ?? Math.floor(Math.random() * 2 ** 32)),
  );
  console.log(`seed ${random.seed}`);
  await using directory = await temporaryDirectory();
  const { path: cwd } = directory;
  for (let round = 0; round < ROUNDS; round++) {
    const hint = `seed ${random.seed}, round ${round}`;
    const file = random.pick(["w.yaml", "x\n- y: z.yaml", "# \u2028a: b.yaml"]);
    await makeFiles(cwd, { [file]: JSON.stringify(randomWorkflow(random)) });
    const definition = await readWorkflow(cwd, file);
    for (const engine of ENGINES) {
      const { code, stdout, stderr } = await runMain(
        ["workflow", "export", file, `--to=${engine}`],
        { cwd },
      );
      assertEquals(code, 0, `${hint}\n${stderr}`);
      assert(!stdout.includes(SECRET), hint);
      const exported = parse(stdout);
      assertEquals(parseStd(stdout), exported, hint);
      assertEquals(parse(stdout, { version: "1.1" }), exported, hint);
      const { keys, jobs } = partsOf(engine, exported);
      assert(
        keys.every((key) => /^[\w-]+$/.test(key) && key.length < 20),
        `${hint}: ${keys}`,
      );
      assertEquals(jobs.length, definition.jobs.length, hint);
      const [found, ours] = EXPRESSIONS[engine];
      for (const string of stringsIn(exported)) {
        for (const [expression] of string.matchAll(found)) {
          assertMatch(expression, ours, hint);
        }
      }
      for (const [at, job] of jobs.entries()) {
        const other = Object.keys(job)
          .filter((key) => !JOB_KEYS[engine].includes(key));
        assertEquals(other, [], hint);
        const { args, stdin } = await runnerCall(scriptOf(engine, job), {
          RUNNERLIB_ITEM: "0",
          GITHUB_OUTPUT: "output",
        });
        assertEquals(args.slice(0, 2), ["workflow", "job"]);
        const arrived = await parseWorkflow(stdin, {
          root: cwd,
          sourceFile: "job",
        });
        assertEquals(
          comparable(arrived, 0),
          comparable(definition, at),
          `${engine}, ${hint}`,
        );
      }
    }
  }
});
