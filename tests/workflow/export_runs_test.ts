import { assert, assertEquals } from "@std/assert";
import { ENGINES } from "../../src/workflow/export/engines.ts";
import { runExported } from "../helpers/engine_doubles.ts";
import { Random } from "../helpers/random.ts";
import { randomJobs, readSeen } from "../helpers/random_workflow.ts";
import { runMain } from "../helpers/run_main.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const ROUNDS = Number(Deno.env.get("EXPORT_ROUNDS") ?? 3);

/** Seed that repeats a run. */
const SEED = Deno.env.get("EXPORT_SEED");

Deno.test("exported jobs run, end and pass values on as in a local run", async () => {
  const random = new Random(SEED === undefined ? SEED : Number(SEED));
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
      // Contains the artifacts of a local run, even if the user has no home directory.
      XDG_CACHE_HOME: `${cwd}/user`,
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
      assertEquals(
        readSeen(jobs, seen),
        readSeen(jobs, log),
        `${engine}, ${hint}`,
      );
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
