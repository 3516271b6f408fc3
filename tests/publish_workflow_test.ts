import { assert, assertEquals } from "@std/assert";
import { parse } from "@std/yaml/parse";
import { REPOSITORY } from "./helpers/cli.ts";

interface Workflow {
  readonly env: { readonly DENO: string };
  readonly jobs: Readonly<
    Record<string, { readonly steps: readonly { readonly run?: string }[] }>
  >;
}

Deno.test("publish.yml runs gates and tasks that exist, with the one Deno", async () => {
  const text = await read(".github/workflows/publish.yml");
  const { env, jobs } = parse(text) as Workflow;
  const commands = Object.values(jobs)
    .flatMap(({ steps }) => steps)
    .flatMap(({ run }) => run ?? []);
  const { tasks } = JSON.parse(await read("deno.json"));
  const called = commands.flatMap((command) =>
    /\$DENO task (\S+)/.exec(command)?.[1] ?? []
  );
  assertEquals(called, ["publish"]);
  for (const task of called) assert(task in tasks, task);
  assert(commands.some((command) => command.endsWith(".ci/run")));
  assert((await read(".ci/run")).includes(`deno=(${env.DENO})`));
});

async function read(path: string): Promise<string> {
  return await Deno.readTextFile(`${REPOSITORY}/${path}`);
}
