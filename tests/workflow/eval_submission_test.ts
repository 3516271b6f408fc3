import { assert, assertEquals } from "@std/assert";
import { startCoordinator } from "../helpers/coordinator.ts";
import { makeRepository } from "../helpers/git_repository.ts";
import { Random } from "../helpers/random.ts";
import { runMain } from "../helpers/run_main.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** Events that one run of this test evaluates. */
const EVENT_COUNT = Number(Deno.env.get("EVALUATED_EVENTS") ?? 30);

const LONG = "x".repeat(131_072);

/** Values that a job can have. Definitions are written as JSON, which is valid YAML. */
const GOOD: Record<string, unknown[]> = {
  environment: [{ A: "1", B: 2, C: true }, { A: LONG.slice(3) }, {}],
  condition: ["always", " all_success(needs) "],
  image: ["alpine:3"],
  run_as: [{ user: "root" }, { user: "1000:1000" }, { user: 5 }],
  priority: [-5, 2_147_483_647],
  timeout: [1, 60],
  capabilities: [["docker"], []],
  image_pull_secrets: [["a.b-c"]],
  for_each: [[1, "x", { b: [1e7] }], []],
  item_var: ["X"],
  characteristics: [{ os: "linux", ssd: true }, {}],
  resources: [
    { cpu: { request: "500m", limit: 0.5 }, memory: { limit: "4Gi" } },
    { memory: { limit: "1.5GB" } },
  ],
  worker_class: ["large"],
};

/** Values that a job cannot have, or that the coordinator rejects. */
const BAD: Record<string, unknown[]> = {
  environment: [{ "A=B": "x" }, { org: "x" }, { A: LONG }, { A: "\0" }, [1]],
  condition: ["on_success", "always(needs)"],
  command: [LONG, "\0"],
  run_as: [{ user: "host" }, { user: "me" }, { user: "1:x" }],
  priority: [2_147_483_648, 1.5, "x"],
  timeout: [-1, 2 ** 31],
  image_pull_secrets: [["A"], ["a..b"], ["a".repeat(254)]],
  for_each: [[LONG], [{ org_id: 1 }], "x"],
  item_var: ["A=B"],
  characteristics: [{ a: ["x"] }, { a: { b: "c" } }, { organization: "x" }],
  resources: [
    { cpu: { limit: "2Gi" } },
    { cpu: { limit: "1.5m" } },
    { memory: { request: 1 } },
    { memory: { limit: "5B" } },
    { disk: {} },
  ],
  needs: [["nothing"]],
};

interface Definition {
  readonly text: string;
  readonly isSound: boolean;
  readonly nodes: readonly string[];
}

function definitionOf(random: Random, id: string): Definition {
  const names = Array.from(
    { length: 1 + random.below(4) },
    (_, at) => `${id}-${at}`,
  );
  let isSound = true;
  const nodes: string[] = [];
  const jobs = names.map((name, at) => {
    const job: Record<string, unknown> = { command: "true" };
    for (const [field, values] of Object.entries(GOOD)) {
      if (random.below(5) === 0) job[field] = random.pick(values);
    }
    if (random.below(2) === 0) {
      job.needs = names.slice(0, at).filter(() => random.below(2) === 0);
    }
    if (random.below(8) === 0) {
      const [field, values] = random.pick(Object.entries(BAD));
      job[field] = random.pick(values);
      isSound = false;
    }
    const items = job.for_each;
    nodes.push(
      ...Array.isArray(items)
        ? items.map((_, index) => `${name}[${index}]`)
        : [name],
    );
    return [name, job];
  });
  const on = { events: ["push"] };
  const text = JSON.stringify({
    id,
    name: id,
    on,
    jobs: Object.fromEntries(jobs),
  });
  return { text, isSound, nodes };
}

Deno.test(`runnerlib eval omits workflows that the coordinator would reject, for ${EVENT_COUNT} events`, async () => {
  const random = new Random();
  await using directory = await temporaryDirectory();
  const source = await makeRepository(`${directory.path}/src`);
  await source.commit({ a: "1" });
  await source.commit({ a: "2" });
  for (let at = 0; at < EVENT_COUNT; at++) {
    const hint = `seed ${random.seed}, event ${at}`;
    const definitions = ["a", "b", "c"].slice(random.below(3))
      .map((id) => definitionOf(random, id));
    const ci = `${directory.path}/ci-${at}`;
    await makeFiles(
      ci,
      Object.fromEntries(
        definitions.map(({ text }, index) => [
          `.reactorcide/workflows/${index}.yaml`,
          text,
        ]),
      ),
    );
    await using coordinator = startCoordinator();
    const { code, stderr } = await runMain([
      ...["eval", "--event-type", "push", "--branch", "main"],
      ...["--ci-source-dir", ci, "--source-dir", `${directory.path}/src`],
      ...["--triggers-file", `${directory.path}/triggers.json`],
      "--allow-insecure-transport",
    ], {
      cwd: directory.path,
      env: {
        ...coordinator.env,
        REACTORCIDE_SOURCE_URL: "https://git.example/src.git",
        REACTORCIDE_SHA: "abc",
        REACTORCIDE_CI_SOURCE_URL: "https://git.example/ci.git",
        REACTORCIDE_CI_SOURCE_REF: "def",
      },
    });
    const { jobs } = coordinator;
    assertEquals(jobs.refusals, [], hint);
    assertEquals(jobs.orphans, [], hint);
    assertEquals(jobs.doomed, [], hint);
    assertEquals(
      code,
      definitions.every(({ isSound }) => isSound) ? 0 : 1,
      `${hint}\n${stderr}`,
    );
    assertEquals(
      jobs.submitted.toSorted(),
      definitions.filter(({ isSound }) => isSound)
        .flatMap(({ nodes }) => nodes).toSorted(),
      `${hint}\n${stderr}`,
    );
    assert(coordinator.requests.length <= 1, hint);
  }
});
