import { assert, assertEquals } from "@std/assert";
import { ENGINES } from "../../src/workflow/export/engines.ts";
import { runExported } from "../helpers/engine_doubles.ts";
import { Random } from "../helpers/random.ts";
import { runMain } from "../helpers/run_main.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const ROUNDS = Number(Deno.env.get("EXPORT_ROUNDS") ?? 3);

interface RandomJob {
  name: string;
  needs?: ({ job: string; artifacts?: string[] })[];
  artifacts: unknown;
  condition?: string;
  when?: unknown;
  for_each?: string[];
  environment: Record<string, string>;
  command: string;
}

/** Prints what the job sees to a file, and sets an output. */
const COMMAND = `
printf '%s\\t%s\\t%s\\n' "$RC_WF_NODE_NAME" "$RC_WF_VARS_JSON" "$(ls | grep ^out- | tr '\\n' /)$TEXT" >> "$LOG_FILE"
printf '{"outputs":{"at":"$TEXT"}}' > "$RC_WF_OUTPUT_FILE"
touch "out-$RC_WF_NODE_NAME"
`;

function randomJobs(random: Random): RandomJob[] {
  const names = ["a", "b.c", "d e", "B.C", "main", "image"];
  return names.slice(0, 3 + random.below(4)).map((name, at, all) => {
    const needs = all.slice(0, at).filter(() => random.below(3) === 0);
    const [when] = random.below(4) > 0 ? [undefined] : [
      random.pick([{ branch: "release/**" }, { branch: ["m*"] }, {
        not: { tag: "v*" },
      }]),
    ];
    return {
      name,
      ...needs.length > 0
        ? {
          needs: needs.map((job) =>
            random.below(2) ? { job } : { job, artifacts: ["out"] }
          ),
        }
        : {},
      artifacts: { out: { paths: ["out-*"], when: "always", optional: true } },
      ...random.below(3) === 0
        ? { condition: random.pick(["any_failed", "always"]) }
        : {},
      ...when === undefined ? {} : { when },
      ...random.below(4) === 0
        ? { for_each: ["x", "${{ y }}"].slice(0, random.below(3)) }
        : {},
      environment: { TEXT: "{{ $A ${{ b }} $[[ c ]] $$ ' \\" },
      command: `${COMMAND}exit ${random.pick([0, 0, 3])}`,
    };
  });
}

/** Jobs on which a job depends, directly or not. */
function ancestors(jobs: readonly RandomJob[], name: string): Set<string> {
  const { needs = [] } = jobs.find((job) => job.name === name)!;
  return new Set(
    needs.flatMap(({ job }) => [job, ...ancestors(jobs, job)]),
  );
}

/** Returns what each job has seen of the jobs that it depends on. */
function seenBy(jobs: readonly RandomJob[], log: string) {
  return Object.fromEntries(
    log.split("\n").filter((line) => line !== "").map((line) => {
      const [node, vars, text] = line.split("\t");
      const before = ancestors(jobs, node.replace(/\[\d+\]$/, ""));
      const entries = Object.entries(JSON.parse(vars)).filter(([key]) =>
        before.has(key.replace(/\.at$/, "")) || key === "start"
      );
      return [node, { text, vars: Object.fromEntries(entries.sort()) }];
    }),
  );
}

Deno.test("exported jobs run, end and pass values on as in a local run", async () => {
  const random = new Random();
  console.log(`seed ${random.seed}`);
  await using directory = await temporaryDirectory();
  const { path: cwd } = directory;
  for (let round = 0; round < ROUNDS; round++) {
    const jobs = randomJobs(random);
    const branch = random.pick(["main", "release/1"]);
    const workflow = {
      name: "w",
      on: { events: ["push"], branches: random.pick([["**"], ["main"], []]) },
      vars: { start: round },
      jobs,
    };
    const hint = `seed ${random.seed}, round ${round}`;
    await makeFiles(cwd, { "w.yaml": JSON.stringify(workflow) });
    const env = {
      LOG_FILE: `${cwd}/log`,
      REACTORCIDE_EVENT_TYPE: "push",
      REACTORCIDE_BRANCH: branch,
    };
    const runLogged = async <T>(run: () => Promise<T>) => {
      await makeFiles(cwd, { log: "" });
      const result = await run();
      return [result, await Deno.readTextFile(env.LOG_FILE)] as const;
    };
    const [local, log] = await runLogged(() =>
      runMain([
        ...["workflow", "run", "w.yaml", "--concurrency=1"],
        ...["--event=push", `--branch=${branch}`, "--record=off"],
      ], { cwd, env })
    );
    const failures = [...local.stderr.matchAll(/error: (.*): failed/g)]
      .map(([, name]) => name);
    for (const engine of ENGINES) {
      const exported = await runMain(
        ["workflow", "export", "w.yaml", `--to=${engine}`],
        { cwd },
      );
      assertEquals(exported.code, 0, exported.stderr);
      const [ends, seen] = await runLogged(() =>
        runExported(exported.stdout, { engine, cwd, env })
      );
      const all = [...ends.values()];
      assertEquals(seenBy(jobs, seen), seenBy(jobs, log), `${engine}, ${hint}`);
      assertEquals(
        all.map(({ exitCode }) => exitCode).filter((code) => code).length,
        failures.length,
        `${engine}, ${hint}`,
      );
      for (const { exitCode = 0, output } of all) {
        assert([0, 3].includes(exitCode), `${engine}, ${hint}: ${output}`);
      }
    }
  }
});
