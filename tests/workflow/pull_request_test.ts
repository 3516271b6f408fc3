/**
 * Compares random pull requests with a naive model of the policy, which follows the
 * rules of the coordinator. Definitions are read from files, many of which are
 * broken in some way.
 */

import { assert, assertEquals } from "@std/assert";
import { parse } from "@std/yaml/parse";
import { evalDocument } from "../../src/workflow/eval/eval_document.ts";
import { evalPlan } from "../../src/workflow/eval/eval_plan.ts";
import { loadHead, loadTree } from "../../src/workflow/eval/load_tree.ts";
import {
  byId,
  type Expected,
  predict,
  randomSituation,
  type Situation,
} from "../helpers/pull_requests/model.ts";
import { createPolicy } from "../helpers/pull_requests/policy.ts";
import {
  baseTree,
  changedPaths,
  deriveId,
  EVENT,
  headTree,
  MUTATION_NAMES,
  pullRequestEvent,
  writeTree,
} from "../helpers/pull_requests/trees.ts";
import { Random } from "../helpers/random.ts";
import { temporaryDirectory } from "../helpers/temporary_directory.ts";

interface Evaluated extends Expected {
  /** Names of the trusted jobs that start, by workflow. */
  trusted: Record<string, string[]>;
  /** Why files of the pull request were ignored. */
  problems: string[];
}

async function evaluate(
  root: string,
  situation: Situation,
  refusal?: string,
): Promise<Evaluated> {
  const { base, head, rules, isFork, mayWrite, isApproved } = situation;
  await writeTree(`${root}/base`, base);
  await writeTree(`${root}/head`, head);
  const event = pullRequestEvent(isFork);
  const onBaseProblem = (problem: string) => {
    throw new Error(problem);
  };
  const problems: string[] = [];
  const plan = evalPlan({
    event,
    base: await loadTree(`${root}/base`, onBaseProblem),
    changedFiles: changedPaths(base, head),
    policy: rules && await createPolicy(rules),
    policyRevision: "rev",
    pullRequest: {
      head: await loadHead(
        `${root}/head`,
        (problem) => problems.push(problem),
      ),
      ...refusal === undefined ? {} : { refusal },
      actor: "someone",
      actorSubjects: mayWrite ? ["repository_write"] : [],
      approvals: isApproved
        ? [{
          approval_id: "a1",
          approver_subject: "project_owner",
          head_sha: "head",
          base_sha: "base",
          policy_revision: "rev",
          workflow_scope: "*",
          execution_profile: "limited",
        }]
        : [],
      now: Date.parse("2026-11-28"),
    },
    marksSkipped: false,
  });
  const document = evalDocument(plan, event, onBaseProblem);
  const workflows = document && "workflows" in document
    ? document.workflows
    : [];
  const origins = workflows.map(({ ci_origin }) => ci_origin);
  assertEquals(origins, origins.toSorted().reverse(), "trusted ones come last");
  const unwrapped = (command: unknown) =>
    String(command).replace(/^runnerlib run --job-command '(.*)'$/, "$1");
  return {
    workflows: workflows.map((
      { id, ci_origin, name, jobs },
    ): Expected["workflows"][number] => [
      String(id),
      String(ci_origin),
      String(name),
      Object.fromEntries(
        jobs.map(({ job_name, job_command }) => [
          job_name,
          unwrapped(job_command),
        ]),
      ),
    ]).sort(byId),
    problems,
    violations: [...new Set(plan.violations.map(({ path }) => path))].sort(),
    trusted: Object.fromEntries(workflows.map(({ id, jobs }) => [
      String(id),
      jobs.filter(({ job_command }) => / base$/.test(unwrapped(job_command)))
        .map(({ job_name }) => job_name),
    ])),
  };
}

/** Checks the most important rule: no pull request starts fewer trusted jobs. */
function checkTrusted(
  { base, rules }: Situation,
  { workflows, trusted }: Evaluated,
  context: string,
): void {
  for (const { workflow } of Object.values(base)) {
    if (!workflow?.events.includes(EVENT)) continue;
    const { id, name, jobs, usesJobFile } = workflow;
    const used = workflows.find((used) => used[0] === id);
    assert(used, `${context}\n${id} is gone`);
    assertEquals(used[2], name, context);
    const least = used[1] === "base"
      ? [...Object.keys(jobs), ...usesJobFile ? ["shared"] : []]
      : rules!.find(({ workflows }) => workflows.includes(id))!.nodes;
    for (const job of least) {
      assert(
        trusted[id].includes(job),
        `${context}\n${id} lacks its trusted job ${job}`,
      );
    }
  }
}

function described(random: Random, round: number, situation: Situation) {
  const text = JSON.stringify(situation, null, 1);
  return `seed ${random.seed}, round ${round}: ${text.slice(0, 20_000)}`;
}

/** Adds the seed below the difference, so that a truncated log contains it. */
function check(action: () => void, { seed }: Random, problems: string[]) {
  try {
    action();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    error.message += `\nPULL_REQUEST_SEED=${seed}, the runner says:\n${
      problems.join("\n")
    }`;
    throw error;
  }
}

Deno.test("each file of a random tree contains the workflow that the model expects", () => {
  const random = new Random();
  for (let round = 0; round < 10_000; round++) {
    const [tree, mutations] = headTree(baseTree(random), random);
    for (const [path, { workflow, content }] of Object.entries(tree)) {
      if (workflow === undefined || typeof content !== "string") continue;
      const { id, name } = content.startsWith("{")
        ? JSON.parse(content)
        : parse(content);
      assertEquals(
        [id, name],
        [workflow.hasOwnId ? workflow.id : undefined, workflow.name],
        `seed ${random.seed}, round ${round}: ${mutations}`,
      );
      assertEquals(id ?? deriveId(path), workflow.id, `${mutations}: ${path}`);
    }
  }
});

Deno.test("a pull request runs the same as in a naive model of the policy", async () => {
  const random = new Random(
    Number(Deno.env.get("PULL_REQUEST_SEED")) || undefined,
  );
  const rounds = Number(Deno.env.get("PULL_REQUEST_ROUNDS") ?? 250);
  await using directory = await temporaryDirectory();
  const origins: Record<string, number> = { base: 0, head: 0 };
  const used = new Map<string, number>();
  const isCovered = () =>
    origins.base > 0 && origins.head > 0 &&
    used.size > MUTATION_NAMES.length / 3;
  // A few random cases may have too little in common with the policy.
  const isOver = (round: number) =>
    round >= rounds && (isCovered() || round >= 20 * rounds);
  for (let round = 0; !isOver(round); round++) {
    const situation = randomSituation(random);
    const context = described(random, round, situation);
    const evaluated = await evaluate(directory.path, situation);
    const { workflows, violations, problems } = evaluated;
    check(
      () => {
        const expected = predict(situation);
        assertEquals({ workflows, violations }, expected, context);
        checkTrusted(situation, evaluated, context);
      },
      random,
      problems,
    );
    for (const [, origin] of workflows) {
      origins[origin]++;
      if (origin !== "head") continue;
      for (const name of situation.mutations) {
        used.set(name, (used.get(name) ?? 0) + 1);
      }
    }
  }
  assert(isCovered(), JSON.stringify({ origins, used: [...used.keys()] }));
});

Deno.test("a rejected pull request runs only trusted definitions", async () => {
  const random = new Random();
  await using directory = await temporaryDirectory();
  for (let round = 0; round < 25; round++) {
    const situation = randomSituation(random);
    const context = described(random, round, situation);
    const got = await evaluate(directory.path, situation, "refused");
    const { workflows } = predict({ ...situation, rules: undefined });
    assertEquals(got.workflows, workflows, context);
    checkTrusted(situation, got, context);
  }
});
