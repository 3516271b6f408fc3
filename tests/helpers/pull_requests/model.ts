import type { Random } from "../random.ts";
import {
  EVENT,
  type Job,
  JOB_FILE,
  type Tree,
  type Workflow,
} from "./trees.ts";
import { baseTree, changedPaths, headTree } from "./trees.ts";

/** A rule of a policy. */
export interface Rule {
  id: string;
  workflows: string[];
  paths: string[];
  events: string[];
  head_repository: string;
  actors: { any: string[] };
  approval: { any: string[] };
  nodes: string[];
  [key: string]: unknown;
}

/** A pull request and everything that decides about it. */
export interface Situation {
  base: Tree;
  head: Tree;
  mutations: string[];
  rules: Rule[] | undefined;
  isFork: boolean;
  mayWrite: boolean;
  isApproved: boolean;
}

/** The jobs that are expected to run, and those that must not. */
export interface Expected {
  /** The ID, whose definition, the name, and the commands by job. */
  workflows: [
    id: string,
    origin: string,
    name: string,
    commands: Record<string, string>,
  ][];
  /** Changed files of CI definitions that were not allowed. */
  violations: string[];
}

export function randomSituation(random: Random): Situation {
  const base = baseTree(random);
  const [head, mutations] = headTree(base, random);
  return {
    base,
    head,
    mutations,
    rules: random.below(6) === 0 ? undefined : randomRules(random),
    isFork: random.below(2) === 0,
    mayWrite: random.below(3) > 0,
    isApproved: random.below(2) === 0,
  };
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

function listDependencies(path: string, { usesJobFile }: Workflow): string[] {
  return usesJobFile ? [path, JOB_FILE] : [path];
}

function listCommands(workflow: Workflow, tree: Tree): Record<string, string> {
  const commands = Object.fromEntries(
    Object.entries(workflow.jobs).map(([name, { command }]) => [name, command]),
  );
  return workflow.usesJobFile
    ? { ...commands, shared: tree[JOB_FILE].command! }
    : commands;
}

/** Lists the workflows that can be read from a tree: valid ones with unique IDs. */
function listReadable(tree: Tree): [path: string, workflow: Workflow][] {
  const valid = Object.entries(tree).flatMap(([path, { workflow }]) =>
    workflow &&
      !(workflow.usesJobFile && tree[JOB_FILE]?.command === undefined) &&
      Object.values(workflow.jobs).every(({ needs }) =>
        needs.every((need) => Object.hasOwn(workflow.jobs, need))
      )
      ? [[path, workflow] as [string, Workflow]]
      : []
  );
  return valid.filter(([, { id }]) =>
    valid.filter(([, other]) => other.id === id).length === 1
  );
}

function matchesPath({ paths }: Rule, path: string): boolean {
  return paths.some((glob) =>
    glob.endsWith("**")
      ? path.startsWith(glob.slice(0, -2))
      : glob.endsWith("*")
      ? path.startsWith(glob.slice(0, -1)) &&
        !path.slice(glob.length - 1).includes("/")
      : path === glob
  );
}

function matchesSituation(
  { events, head_repository, actors, approval }: Rule,
  { isFork, mayWrite, isApproved }: Situation,
): boolean {
  return (events.length === 0 || events.includes(EVENT)) &&
    (head_repository === "any" ||
      head_repository === (isFork ? "fork" : "same")) &&
    (actors.any.length === 0 || mayWrite) &&
    (approval.any.length === 0 || isApproved);
}

function waitsForItself(name: string, jobs: Record<string, Job>): boolean {
  const seen = new Set<string>();
  const open = [...jobs[name].needs];
  for (let need; (need = open.pop()) !== undefined;) {
    if (need === name) return true;
    if (!seen.has(need)) open.push(...jobs[need].needs);
    seen.add(need);
  }
  return false;
}

/** Returns 2 if a job runs when all others succeed, 1 if some must fail, else 0. */
function chance(name: string, jobs: Record<string, Job>): number {
  const runs = (name: string): boolean => {
    const { condition, needs } = jobs[name];
    return condition === "always" ||
      condition !== "any_failed" && needs.every(runs);
  };
  const mayRun = (name: string): boolean => {
    const { condition, needs } = jobs[name];
    return condition === "always" ||
      (condition === "any_failed" ? needs.some(mayRun) : needs.every(mayRun));
  };
  return runs(name) ? 2 : mayRun(name) ? 1 : 0;
}

/** Compares workflows by their IDs. */
export function byId([a]: readonly unknown[], [b]: readonly unknown[]): number {
  return String(a) < String(b) ? -1 : 1;
}

/** Predicts what runs for a pull request, in the most naive way. */
export function predict(situation: Situation): Expected {
  const { base, head, rules = [] } = situation;
  const bases = listReadable(base);
  const heads = listReadable(head);
  const changed = changedPaths(base, head).filter((path) =>
    path.startsWith(".reactorcide/") && !/policy\.yaml$|policies\//.test(path)
  );
  const claimed = new Set(
    [...bases, ...heads].flatMap(([path, one]) => listDependencies(path, one)),
  );
  const unclaimed = changed.filter((path) => !claimed.has(path));
  const ids = new Set([
    ...bases.map(([, { id }]) => id),
    ...heads.filter(([, { id, hasOwnId }]) =>
      hasOwnId && rules.some(({ workflows }) => workflows.includes(id))
    ).map(([, { id }]) => id),
  ]);
  const refused = new Set<string>();
  const workflows: Expected["workflows"] = [];
  for (const id of ids) {
    const [basePath, ours] = bases.find(([, one]) => one.id === id) ?? [];
    const [headPath, theirs] = heads.find(([, one]) => one.id === id) ?? [];
    if (!(ours ?? theirs)!.events.includes(EVENT)) continue;
    const depends = [
      ...theirs
        ? listDependencies(headPath!, theirs)
        : listDependencies(basePath!, ours!),
      ...unclaimed,
    ];
    const affected = changed.filter((path) => depends.includes(path));
    const rule = rules.find(({ workflows }) => workflows.includes(id));
    const isGranted = rule !== undefined && affected.length > 0 &&
      [...depends, ...changed].every((path) => matchesPath(rule, path)) &&
      matchesSituation(rule, situation);
    const jobs: Workflow["jobs"] = {
      ...theirs?.jobs,
      ...theirs?.usesJobFile ? { shared: { command: "", needs: [] } } : {},
    };
    for (const name of rule?.nodes ?? []) {
      if (ours && Object.hasOwn(ours.jobs, name)) jobs[name] = ours.jobs[name];
    }
    const isUsable = isGranted && theirs !== undefined && theirs.hasOwnId &&
      (ours !== undefined ||
        bases.every(([, { name }]) => name.trim() !== theirs.name.trim())) &&
      rule.nodes.every((name) => ours && Object.hasOwn(ours.jobs, name)) &&
      Object.values(jobs).every(({ needs }) =>
        needs.every((need) => Object.hasOwn(jobs, need))
      ) &&
      Object.keys(jobs).every((name) => !waitsForItself(name, jobs)) &&
      rule.nodes.every((name) =>
        chance(name, jobs) >= chance(name, ours!.jobs)
      );
    if (isUsable) {
      workflows.push([id, "head", (ours ?? theirs).name, {
        ...listCommands(theirs, head),
        ...Object.fromEntries(
          rule.nodes.map((name) => [name, ours!.jobs[name].command]),
        ),
      }]);
      continue;
    }
    for (const path of affected) refused.add(path);
    if (ours) workflows.push([id, "base", ours.name, listCommands(ours, base)]);
  }
  if (!workflows.some(([, origin]) => origin === "head")) {
    for (const path of changed) refused.add(path);
  }
  return { workflows: workflows.sort(byId), violations: [...refused].sort() };
}
