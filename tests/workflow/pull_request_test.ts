/**
 * Random pull requests against a naive model of the policy, written from the
 * rules of the coordinator. Definitions are read from files, broken in every
 * way that comes to mind.
 */

import { assert, assertEquals } from "@std/assert";
import { evalDocument } from "../../src/workflow/eval/eval_document.ts";
import type { EvalEvent } from "../../src/workflow/eval/eval_event.ts";
import { evalPlan } from "../../src/workflow/eval/eval_plan.ts";
import { loadHead, loadTree } from "../../src/workflow/eval/load_tree.ts";
import { readPolicy } from "../../src/workflow/eval/policy.ts";
import { Random } from "../helpers/random.ts";
import { temporaryDirectory } from "../helpers/temporary_directory.ts";

const FOLDER = ".reactorcide/workflows";
const JOB_FILE = ".reactorcide/jobs/shared.yaml";
const EVENT = "pull_request_updated";

/** A workflow as the test knows it, whatever its file looks like. */
interface Workflow {
  id: string;
  hasOwnId: boolean;
  events: string[];
  jobs: Record<string, { command: string; needs: string[] }>;
  usesJobFile: boolean;
}

/** A file of a tree; without a workflow, its definition is invalid. */
interface File {
  workflow?: Workflow;
  text: string;
}

type Tree = Record<string, File>;

function textOf({ id, hasOwnId, events, jobs, usesJobFile }: Workflow): string {
  return JSON.stringify({
    ...hasOwnId ? { id } : {},
    name: `Workflow ${id}`,
    on: { events },
    jobs: {
      ...Object.fromEntries(
        Object.entries(jobs)
          .map(([name, job]) => [name, { ...job, environment: { A: "1" } }]),
      ),
      ...usesJobFile ? { shared: { job_file: "shared.yaml" } } : {},
    },
  });
}

function fileOf(workflow: Workflow): File {
  return { workflow, text: textOf(workflow) };
}

const idOf = (path: string) => path.slice(FOLDER.length + 1, -".yaml".length);

function baseTree(random: Random): Tree {
  const tree: Tree = {
    [JOB_FILE]: { text: "name: shared\njob: { command: shared base }" },
  };
  const count = 1 + random.below(3);
  for (const name of ["alpha", "beta", "gamma"].slice(0, count)) {
    const hasOwnId = random.below(4) > 0;
    tree[`${FOLDER}/${name}.yaml`] = fileOf({
      id: name,
      hasOwnId,
      events: random.below(4) > 0 ? [EVENT, "push"] : ["push"],
      usesJobFile: random.below(3) === 0,
      jobs: {
        test: { command: `test ${name} base`, needs: [] },
        deploy: { command: `deploy ${name} base`, needs: ["test"] },
        gate: { command: `gate ${name} base`, needs: [] },
      },
    });
  }
  return tree;
}

/** Ways to break the file of a workflow; each makes the definition invalid. */
const BREAKAGES: ((text: string, random: Random) => string)[] = [
  () => "name: [",
  () => "",
  () => "- a list",
  (text) => text.replace('"jobs":', '"jbos":'),
  (text) => text.replace('"name":', '"name":{},"title":'),
  (text) => text.replace('"command":', '"authority":"base","command":'),
  (text) => text.replace('"command":', '"ci_origin":"base","command":'),
  (text) => text.replace('"command":', '"comand":'),
  (text) => text.replace('"needs":[]', '"needs":["nothing"]'),
  (text) => text.replace('"needs":[]', '"needs":["deploy"]'),
  (text) => text.replace('"needs":', '"condition":"sometimes","needs":'),
  (text) => text.replace('"needs":', '"job_file":"none.yaml","needs":'),
  (text) => text.replace('"needs":', '"job_file":"../../x.yaml","needs":'),
  (text) => text.replace('"needs":', '"timeout":"soon","needs":'),
  (text) => text.replace('"A":"1"', '"A=B":"1"'),
  (text) => `${text}\n...\n---\n${text}`,
  (text) => text.slice(0, text.length - 3),
];

function headTree(base: Tree, random: Random): Tree {
  const tree: Tree = { ...base };
  for (let changes = 1 + random.below(3); changes > 0; changes--) {
    const paths = Object.keys(tree).filter((path) => path.startsWith(FOLDER));
    const path = paths.length > 0 ? random.pick(paths) : `${FOLDER}/alpha.yaml`;
    const workflow = tree[path]?.workflow ??
      base[path]?.workflow ?? base[`${FOLDER}/alpha.yaml`].workflow!;
    const changed: Workflow = {
      ...workflow,
      jobs: Object.fromEntries(
        Object.entries(workflow.jobs).map((
          [name, job],
        ) => [name, { ...job, command: `${job.command} changed` }]),
      ),
    };
    switch (random.below(12)) {
      case 0:
        delete tree[path];
        break;
      case 1:
        tree[path] = { text: random.pick(BREAKAGES)(textOf(workflow), random) };
        break;
      case 2:
        // An id of its own is what it needs to be used.
        tree[path] = fileOf({
          ...changed,
          hasOwnId: false,
          id: idOf(path),
        });
        break;
      case 3:
        delete tree[path];
        tree[`${FOLDER}/renamed.yaml`] = fileOf(
          changed.hasOwnId ? changed : { ...changed, id: "renamed" },
        );
        break;
      case 4:
        tree[`${FOLDER}/copy.yaml`] = fileOf({ ...changed, hasOwnId: true });
        break;
      case 5:
        tree[`${FOLDER}/new.yaml`] = fileOf({
          ...changed,
          id: "new",
          hasOwnId: random.below(2) === 0,
        });
        break;
      case 6:
        tree[path] = fileOf({ ...changed, events: ["push"] });
        break;
      case 7:
        tree[path] = fileOf({
          ...changed,
          jobs: { extra: { command: "extra", needs: [] } },
        });
        break;
      case 8:
        // The trusted "deploy" needs "test", which is gone.
        tree[path] = fileOf({
          ...changed,
          jobs: { deploy: changed.jobs.deploy ?? { command: "d", needs: [] } },
        });
        break;
      case 9:
        tree[JOB_FILE] = {
          text: random.below(3) > 0
            ? "name: shared\njob: { command: shared head }"
            : "name: shared\njob: { }",
        };
        break;
      case 10:
        tree[
          random.pick([
            ".reactorcide/policy.yaml",
            ".reactorcide/policies/a.yaml",
          ])
        ] = { text: `changed ${random.below(2)}` };
        break;
      default:
        tree[path] = fileOf(changed);
    }
  }
  return tree;
}

async function writeTree(root: string, tree: Tree): Promise<void> {
  await Deno.remove(root, { recursive: true }).catch(() => {});
  for (const folder of [FOLDER, ".reactorcide/jobs", ".reactorcide/policies"]) {
    await Deno.mkdir(`${root}/${folder}`, { recursive: true });
  }
  for (const [path, { text }] of Object.entries(tree)) {
    await Deno.writeTextFile(`${root}/${path}`, text);
  }
}

interface Rule {
  id: string;
  workflows: string[];
  paths: string[];
  events: string[];
  head_repository: string;
  actors: { any: string[] };
  approval: { any: string[] };
  nodes: string[];
}

function randomRules(random: Random): Rule[] {
  const ids = ["alpha", "beta", "gamma", "new", "renamed"]
    .filter(() => random.below(4) > 0);
  return ids.map((id, at) => ({
    id: `rule-${at}`,
    workflows: [id],
    paths: random.pick([
      [".reactorcide/**"],
      [".reactorcide/**"],
      [".reactorcide/workflows/*"],
      [`.reactorcide/workflows/${id}.yaml`],
    ]),
    events: random.pick([[], [], [EVENT], ["push"]]),
    head_repository: random.pick(["any", "any", "same", "fork"]),
    actors: { any: random.pick([[], [], ["repository_write"]]) },
    approval: { any: random.pick([[], [], ["project_owner"]]) },
    nodes: random.pick([[], ["gate"], ["deploy", "gate"], ["absent"]]),
  }));
}

interface Situation {
  base: Tree;
  head: Tree;
  rules: Rule[] | undefined;
  isFork: boolean;
  mayWrite: boolean;
  isApproved: boolean;
}

interface Expected {
  /** What runs: the id, whose definition, and the commands by job. */
  workflows: [id: string, origin: string, commands: Record<string, string>][];
  /** Changed files of CI definitions that were not allowed. */
  violations: string[];
}

const jobFileIsValid = (tree: Tree) =>
  tree[JOB_FILE] !== undefined && tree[JOB_FILE].text.includes("command");

function dependencies(path: string, { usesJobFile }: Workflow): string[] {
  return usesJobFile ? [path, JOB_FILE] : [path];
}

function commandsOf(workflow: Workflow, tree: Tree): Record<string, string> {
  const commands = Object.fromEntries(
    Object.entries(workflow.jobs).map(([name, { command }]) => [name, command]),
  );
  return workflow.usesJobFile
    ? { ...commands, shared: /command: (.*) }/.exec(tree[JOB_FILE].text)![1] }
    : commands;
}

/** Which workflows can be read from a tree: valid ones, whose id is unique. */
function readable(tree: Tree): [path: string, workflow: Workflow][] {
  const valid = Object.entries(tree).flatMap(([path, { workflow }]) =>
    workflow && !(workflow.usesJobFile && !jobFileIsValid(tree)) &&
      Object.values(workflow.jobs).every(({ needs }) =>
        needs.every((need) => need in workflow.jobs)
      )
      ? [[path, workflow] as [string, Workflow]]
      : []
  );
  return valid.filter(([, { id }]) =>
    valid.filter(([, other]) => other.id === id).length === 1
  );
}

function expectedOf(situation: Situation): Expected {
  const { base, head, rules = [], isFork, mayWrite, isApproved } = situation;
  const bases = readable(base);
  const heads = readable(head);
  const changed = [...new Set([...Object.keys(base), ...Object.keys(head)])]
    .filter((path) => base[path]?.text !== head[path]?.text)
    .filter((path) => !/policy\.yaml$|policies\//.test(path));
  const claimed = new Set(
    [...bases, ...heads].flatMap(([path, one]) => dependencies(path, one)),
  );
  const unclaimed = changed.filter((path) => !claimed.has(path));
  const ids = new Set([
    ...bases.map(([, { id }]) => id),
    ...heads.filter(([, { id, hasOwnId }]) =>
      hasOwnId && rules.some(({ workflows }) => workflows.includes(id))
    ).map(([, { id }]) => id),
  ]);
  const allowedPaths = new Set<string>();
  const refusedPaths = new Set<string>();
  const workflows: Expected["workflows"] = [];
  for (const id of ids) {
    const [basePath, ours] = bases.find(([, one]) => one.id === id) ?? [];
    const [headPath, theirs] = heads.find(([, one]) => one.id === id) ?? [];
    const depends = [
      ...ours ? dependencies(basePath!, ours) : [],
      ...theirs ? dependencies(headPath!, theirs) : [],
      ...unclaimed,
    ];
    const affected = changed.filter((path) => depends.includes(path));
    const rule = rules.find(({ workflows }) => workflows.includes(id));
    const covers = (path: string) =>
      rule!.paths.some((glob) =>
        glob.endsWith("**")
          ? path.startsWith(glob.slice(0, -2))
          : glob.endsWith("*")
          ? path.startsWith(glob.slice(0, -1)) &&
            !path.slice(glob.length - 1).includes("/")
          : path === glob
      );
    const isGranted = rule !== undefined && affected.length > 0 &&
      depends.every(covers) && changed.every(covers) &&
      (rule.events.length === 0 || rule.events.includes(EVENT)) &&
      (rule.head_repository === "any" ||
        rule.head_repository === (isFork ? "fork" : "same")) &&
      (rule.actors.any.length === 0 || mayWrite) &&
      (rule.approval.any.length === 0 || isApproved);
    const starts = (ours ?? theirs)!.events.includes(EVENT);
    const names = new Set([
      ...Object.keys(theirs?.jobs ?? {}),
      ...theirs?.usesJobFile ? ["shared"] : [],
      ...rule?.nodes ?? [],
    ]);
    const isUsable = isGranted && theirs !== undefined && theirs.hasOwnId &&
      starts && rule.nodes.every((name) => ours && name in ours.jobs) &&
      rule.nodes.every((name) =>
        ours!.jobs[name].needs.every((need) => names.has(need))
      );
    if (isUsable) {
      affected.forEach((path) => allowedPaths.add(path));
      workflows.push([id, "head", {
        ...commandsOf(theirs, head),
        ...Object.fromEntries(
          rule.nodes.map((name) => [name, ours!.jobs[name].command]),
        ),
      }]);
      continue;
    }
    affected.forEach((path) => refusedPaths.add(path));
    if (ours && starts) workflows.push([id, "base", commandsOf(ours, base)]);
  }
  const orphans = changed.filter((path) =>
    !allowedPaths.has(path) && !refusedPaths.has(path)
  );
  return {
    workflows: workflows.sort(),
    violations: [...refusedPaths, ...orphans].sort(),
  };
}

function policyOf(rules: Rule[]) {
  return readPolicy(JSON.stringify({
    version: 1,
    head_ci: rules.map(({ nodes, ...rule }) => ({
      ...rule,
      use: {
        ci_source: "head",
        profile: "limited",
        workers: "pool",
        base_nodes: nodes.length === 0 ? [] : [{
          nodes,
          ci_source: "base",
          profile: "trusted",
          workers: "safe",
        }],
      },
    })),
  }));
}

async function evaluate(
  root: string,
  { base, head, rules, isFork, mayWrite, isApproved }: Situation,
): Promise<Expected & { trusted: Record<string, string[]> }> {
  await writeTree(`${root}/base`, base);
  await writeTree(`${root}/head`, head);
  const paths = new Set([...Object.keys(base), ...Object.keys(head)]);
  const event: EvalEvent = {
    type: EVENT,
    branch: "main",
    sourceUrl: "https://example.com/fork.git",
    sourceRef: "head",
    ciSourceUrl: "https://example.com/ci.git",
    ciSourceRef: "base",
    prBaseRef: "main",
    prNumber: "7",
    headUrl: "https://example.com/fork.git",
    headRef: "topic",
    baseUrl: "https://example.com/ci.git",
    baseRef: "main",
    isForkPr: isFork ? "true" : "false",
  };
  const onBaseProblem = (problem: string) => {
    throw new Error(problem);
  };
  const plan = evalPlan({
    event,
    base: await loadTree(`${root}/base`, onBaseProblem),
    changedFiles: [...paths]
      .filter((path) => base[path]?.text !== head[path]?.text),
    policy: rules && policyOf(rules),
    pullRequest: {
      head: await loadHead(`${root}/head`, () => {}),
      policyRevision: "rev",
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
  const unwrapped = (command: unknown) =>
    String(command).replace(/^runnerlib run --job-command '(.*)'$/, "$1");
  return {
    workflows: workflows.map((
      { id, ci_origin, jobs },
    ): Expected["workflows"][number] => [
      String(id),
      String(ci_origin),
      Object.fromEntries(
        jobs.map(({ job_name, job_command }) => [
          job_name,
          unwrapped(job_command),
        ]),
      ),
    ]).sort(),
    violations: [...new Set(plan.violations.map(({ path }) => path))].sort(),
    trusted: Object.fromEntries(workflows.map(({ id, jobs }) => [
      String(id),
      jobs.filter(({ job_command }) => / base$/.test(unwrapped(job_command)))
        .map(({ job_name }) => job_name),
    ])),
  };
}

function randomSituation(random: Random): Situation {
  const base = baseTree(random);
  return {
    base,
    head: headTree(base, random),
    rules: random.below(6) === 0 ? undefined : randomRules(random),
    isFork: random.below(2) === 0,
    mayWrite: random.below(3) > 0,
    isApproved: random.below(2) === 0,
  };
}

Deno.test("a pull request runs what a naive model of the policy says", async () => {
  const random = new Random();
  const rounds = Number(Deno.env.get("PULL_REQUEST_ROUNDS") ?? 250);
  await using directory = await temporaryDirectory();
  const origins: Record<string, number> = { base: 0, head: 0 };
  for (let round = 0; round < rounds; round++) {
    const situation = randomSituation(random);
    const { trusted, ...got } = await evaluate(directory.path, situation);
    const context = `seed ${random.seed}, round ${round}: ${
      JSON.stringify(situation, null, 1)
    }`;
    assertEquals(got, expectedOf(situation), context);
    for (const [, origin] of got.workflows) origins[origin]++;

    // The rule above all others: no change starts fewer trusted jobs.
    for (const { workflow } of Object.values(situation.base)) {
      if (!workflow?.events.includes(EVENT)) continue;
      const rule = situation.rules?.find(({ workflows }) =>
        workflows.includes(workflow.id)
      );
      const used = got.workflows.find(([id]) => id === workflow.id);
      assert(used, `${context}\n${workflow.id} is gone`);
      const least = used[1] === "base"
        ? [
          ...Object.keys(workflow.jobs),
          ...workflow.usesJobFile ? ["shared"] : [],
        ]
        : rule!.nodes;
      for (const name of least) {
        assert(
          trusted[workflow.id].includes(name),
          `${context}\n${workflow.id} lacks its trusted job ${name}`,
        );
      }
    }
  }
  assert(origins.base > 0 && origins.head > 0, JSON.stringify(origins));
});
