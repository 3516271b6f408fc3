import type { EvalEvent } from "../../../src/workflow/eval/planned_workflow.ts";
import type { Random } from "../random.ts";
import { removeTree } from "../../../src/workspace/remove.ts";

export const FOLDER = ".reactorcide/workflows";
export const JOB_FILE = ".reactorcide/jobs/shared.yaml";
export const EVENT = "pull_request_updated";

/** The update of a pull request of a fork, or of the repository itself. */
export function pullRequestEvent(isFork = true): EvalEvent {
  return {
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
}

export interface Job {
  command: string;
  needs: string[];
  condition?: string;
}

/** A workflow, independent of the style of its file. */
export interface Workflow {
  id: string;
  hasOwnId: boolean;
  name: string;
  events: string[];
  jobs: Record<string, Job>;
  usesJobFile: boolean;
}

/** An entry of a tree; without a workflow, it defines none. */
export interface Entry {
  workflow?: Workflow;
  /** Command of a job file. */
  command?: string;
  /** Content of the file. */
  content?: string | Uint8Array;
  /** Target, if it is a symbolic link. */
  link?: string;
  /** Whether it is a submodule, which is not checked out. */
  isSubmodule?: boolean;
}

export type Tree = Record<string, Entry>;

function describeJobs({ jobs, usesJobFile }: Workflow, more = {}) {
  return {
    ...Object.fromEntries(
      Object.entries(jobs).map(([name, job]) => [
        name,
        { ...job, environment: { A: "1" }, ...more },
      ]),
    ),
    ...usesJobFile ? { shared: { job_file: "shared.yaml" } } : {},
  };
}

function writeJson(workflow: Workflow, more = {}): string {
  const { id, hasOwnId, events, name } = workflow;
  return JSON.stringify({
    ...hasOwnId ? { id } : {},
    name,
    on: { events },
    jobs: describeJobs(workflow, more),
  });
}

/** Writes a workflow in many lines, with an anchor and merge keys. */
function writeYaml(workflow: Workflow): string {
  const { id, hasOwnId, events, name } = workflow;
  const entries = Object.entries(describeJobs(workflow)).map(
    ([job, entry], at) => {
      const { command, needs, condition = "all_success" } = entry as Partial<
        Job
      >;
      if (command === undefined) return `  ${job}: { job_file: shared.yaml }`;
      return [
        `  ${job}:${at === 0 ? " &first" : "\n    <<: *first"}`,
        `    command: ${command}`,
        `    needs: ${JSON.stringify(needs)}`,
        `    condition: ${condition}`,
        ...at === 0 ? ['    environment: { A: "1" }'] : [],
      ].join("\n");
    },
  );
  return [
    ...hasOwnId ? [`id: ${id}`] : [],
    // Blanks around a plain scalar are not part of it.
    `name: ${name === name.trim() ? name : JSON.stringify(name)}`,
    `on: { events: [${events}] }`,
    "jobs:",
    ...entries,
    "",
  ].join("\n");
}

export function createEntry(workflow: Workflow): Entry {
  return { workflow, content: writeJson(workflow) };
}

/** Other ways to write the same workflow. */
const STYLES: ((workflow: Workflow) => string)[] = [
  writeYaml,
  (workflow) => writeYaml(workflow).replaceAll("\n", "\r\n"),
  (workflow) => `\ufeff${writeYaml(workflow)}`,
  (workflow) => `---\n${writeYaml(workflow)}...\n`,
  (workflow) => `# ${"x".repeat(100_000)}\n${writeYaml(workflow)}`,
  (workflow) => writeJson(workflow, { disable_run_local: true }),
];

/** Ways to break the file of a workflow; each makes the definition invalid. */
const BREAKAGES: ((text: string) => string | Uint8Array)[] = [
  () => "name: [",
  () => "",
  () => "\ufeff",
  () => "null",
  () => "- a list",
  () => "&a [*a]",
  () => "version https://git-lfs.github.com/spec/v1",
  (text) => text.replace('"jobs":', '"jbos":'),
  (text) => text.replace(/"jobs":.*/, '"jobs":{}}'),
  (text) => text.replace('"name":', '"name":{},"title":'),
  ...[
    "authority",
    "ci_origin",
    "execution_profile",
    "policy_revision",
    "policy_rule_id",
    "approval_id",
  ].map((key) => (text: string) =>
    text.replace('"command":', `"${key}":"base","command":`)
  ),
  (text) => text.replace('"command":', '"comand":'),
  (text) => text.replace('"command":', '"<<":1,"command":'),
  (text) => text.replace('"needs":[]', '"needs":["nothing"]'),
  (text) => text.replace('"needs":[]', '"needs":["deploy"]'),
  (text) => text.replace('"needs":', '"condition":"sometimes","needs":'),
  (text) => text.replace('"needs":', '"job_file":"none.yaml","needs":'),
  (text) => text.replace('"needs":', '"job_file":"../../x.yaml","needs":'),
  (text) => text.replace('"needs":', '"timeout":"soon","needs":'),
  (text) => text.replace('"A":"1"', '"A=B":"1"'),
  (text) => `${text}\n...\n---\n${text}`,
  (text) => text.slice(0, text.length - 3),
  (text) => `${text}${" ".repeat(1024 * 1024)}`,
  (text) => `${text} # \0`,
  (text) => new TextEncoder().encode(`${text} # `).with(-1, 0xe9),
  (text) =>
    new Uint8Array(Uint16Array.from(text, (c) => c.charCodeAt(0)).buffer),
  () => new Uint8Array([0x1f, 0x8b, 8, 0, 0, 0xff, 0xfe]),
];

/**
 * Derives an ID from the path of a workflow; it is empty without letters and
 * digits.
 */
export function deriveId(path: string): string {
  return path.slice(FOLDER.length + 1, -".yaml".length).toLowerCase()
    .replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
}

/** A workflow that has no ID of its own. */
function createEntryWithoutId(path: string, changed: Workflow): Entry {
  const id = deriveId(path);
  const { content, workflow } = createEntry({
    ...changed,
    hasOwnId: false,
    id,
  });
  return id === "" ? { content } : { content, workflow };
}

export function baseTree(random: Random): Tree {
  const tree: Tree = {
    [JOB_FILE]: {
      command: "shared base",
      content: "name: shared\njob: { command: shared base }",
    },
  };
  if (random.below(2) === 0) {
    tree[".reactorcide/policy.yaml"] = { content: "version: 1" };
  }
  const count = 1 + random.below(3);
  for (const id of ["alpha", "beta", "gamma"].slice(0, count)) {
    tree[`${FOLDER}/${id}.yaml`] = createEntry({
      id,
      hasOwnId: random.below(4) > 0,
      name: `Workflow ${id}`,
      events: random.below(4) > 0 ? [EVENT, "push"] : ["push"],
      usesJobFile: random.below(3) === 0,
      jobs: {
        test: { command: `test ${id} base`, needs: [] },
        deploy: { command: `deploy ${id} base`, needs: ["test"] },
        gate: { command: `gate ${id} base`, needs: [] },
      },
    });
  }
  return tree;
}

/** Change of a pull request to one workflow file. */
type Mutation = (
  tree: Tree,
  path: string,
  changed: Workflow,
  random: Random,
) => void;

const MUTATIONS: Record<string, Mutation> = {
  change: (tree, path, changed) => tree[path] = createEntry(changed),
  delete: (tree, path) => delete tree[path],
  break(tree, path, changed, random) {
    tree[path] = { content: random.pick(BREAKAGES)(writeJson(changed)) };
  },
  style(tree, path, changed, random) {
    tree[path] = { workflow: changed, content: random.pick(STYLES)(changed) };
  },
  // Without an ID of its own, it is not used.
  "drop the id"(tree, path, changed) {
    tree[path] = createEntryWithoutId(path, changed);
  },
  rename(tree, path, changed) {
    delete tree[path];
    tree[`${FOLDER}/renamed.yaml`] = createEntry(
      changed.hasOwnId ? changed : { ...changed, id: "renamed" },
    );
  },
  copy(tree, _path, changed) {
    tree[`${FOLDER}/copy.yaml`] = createEntry({ ...changed, hasOwnId: true });
  },
  "add one"(tree, _path, changed, random) {
    tree[`${FOLDER}/new.yaml`] = createEntry({
      ...changed,
      id: "new",
      // Its checks would be reported under the name of the trusted one.
      name: random.pick(["Workflow new", changed.name, ` ${changed.name} `]),
      hasOwnId: random.below(2) === 0,
    });
  },
  "change the display name"(tree, path, changed) {
    tree[path] = createEntry({ ...changed, name: "Other" });
  },
  "change the events"(tree, path, changed) {
    tree[path] = createEntry({ ...changed, events: ["push"] });
  },
  "replace the jobs"(tree, path, changed) {
    tree[path] = createEntry({
      ...changed,
      jobs: { extra: { command: "extra", needs: [] } },
    });
  },
  // The trusted "deploy" needs "test", which is gone.
  "keep one job"(tree, path, changed) {
    const { deploy = { command: "d", needs: [] } } = changed.jobs;
    tree[path] = createEntry({ ...changed, jobs: { deploy } });
  },
  // The trusted "deploy" would be skipped with it.
  "run a job only after failures"(tree, path, changed, random) {
    const { test = { command: "t", needs: [] } } = changed.jobs;
    const condition = random.pick(["any_failed", "always"]);
    tree[path] = createEntry({
      ...changed,
      jobs: { ...changed.jobs, test: { ...test, condition } },
    });
  },
  // With the trusted "deploy", which needs "test", this is a cycle.
  "reverse the order"(tree, path, changed) {
    tree[path] = createEntry({
      ...changed,
      jobs: {
        deploy: { command: "d", needs: [] },
        test: { command: "t", needs: ["deploy"] },
      },
    });
  },
  "name jobs in other scripts"(tree, path, changed) {
    tree[path] = createEntry({
      ...changed,
      jobs: {
        ...changed.jobs,
        "prüfung": { command: "echo ü", needs: [] },
        GATE: { command: "other", needs: [] },
        constructor: { command: "other", needs: ["GATE"] },
        toString: { command: "other", needs: ["constructor"] },
        "ɡate": { command: "other", needs: ["prüfung"] },
      },
    });
  },
  "change the job file"(tree, _path, _changed, random) {
    tree[JOB_FILE] = random.below(3) > 0
      ? {
        command: "shared head",
        content: "name: shared\njob: { command: shared head }",
      }
      : {
        content: random.pick([
          "name: shared\njob: { }",
          "name: shared\nexecution_profile: x\njob: { command: a }",
          "name: shared\njob: { command: a, ci_origin: base }",
        ]),
      };
  },
  "change the policy"(tree, _path, _changed, random) {
    tree[
      random.pick([".reactorcide/policy.yaml", ".reactorcide/policies/a.yaml"])
    ] = { content: `changed ${random.below(2)}` };
  },
  "delete the policy": (tree) => delete tree[".reactorcide/policy.yaml"],
  "add a plugin"(tree) {
    tree[".reactorcide/plugins/plugin_x.py"] = { content: "print(1)" };
  },
  // The ID that follows from this path is that of the other file.
  "vary the case"(tree, path, changed) {
    const name = path.slice(FOLDER.length + 1, -".yaml".length);
    const other = `${FOLDER}/${name.toUpperCase()}.yaml`;
    tree[other] = createEntryWithoutId(other, changed);
  },
  "use another ending"(tree, path, changed) {
    delete tree[path];
    tree[path.replace(/yaml$/, "YAML")] = { content: writeJson(changed) };
  },
  "use names in other scripts"(tree, _path, changed, random) {
    const file = random.pick(["prüfung", "pru\u0308fung", "检查", " a b "]);
    tree[`${FOLDER}/${file}.yaml`] = createEntry({
      ...changed,
      id: "new",
      hasOwnId: true,
      name: "Prüfung",
    });
  },
  link(tree, path, changed) {
    const name = `${path.slice(FOLDER.length + 1)}.txt`;
    tree[`.reactorcide/linked/${name}`] = { content: writeJson(changed) };
    tree[path] = { workflow: changed, link: `../linked/${name}` };
  },
  "link to nothing usable"(tree, path, _changed, random) {
    tree[path] = {
      link: random.pick([
        "/etc/hostname",
        "/dev/zero",
        "../../../base/.reactorcide/jobs/shared.yaml",
        path.slice(FOLDER.length + 1),
        "nothing",
        "..",
      ]),
    };
  },
  "put a directory there"(tree, path, changed) {
    delete tree[path];
    tree[`${path}/inner.yaml`] = { content: writeJson(changed) };
  },
  "move the folder behind a link"(tree) {
    for (const path of workflowFiles(tree)) {
      const { workflow, ...entry } = tree[path];
      delete tree[path];
      tree[path.replace("/workflows/", "/moved/")] = entry;
      // Found through the link; no change of a file is listed under this path.
      tree[path] = { ...workflow ? { workflow } : {} };
    }
    tree[FOLDER] = { link: "moved" };
  },
  "put a file in the place of the folder"(tree) {
    for (const path of Object.keys(tree)) {
      if (path.startsWith(FOLDER)) delete tree[path];
    }
    tree[FOLDER] = { content: "nothing" };
  },
  "put a submodule in the place of everything"(tree) {
    for (const path of Object.keys(tree)) delete tree[path];
    tree[".reactorcide"] = { isSubmodule: true };
  },
};

/** Names of everything that a pull request may do. */
export const MUTATION_NAMES: readonly string[] = Object.keys(MUTATIONS);

/** Those that leave nothing for others to change. */
const LAST = MUTATION_NAMES.slice(-3);

function workflowFiles(tree: Tree): string[] {
  return Object.keys(tree).filter((path) =>
    path.startsWith(`${FOLDER}/`) && /\.yaml$/.test(path)
  );
}

/** Changes a tree in up to four ways, and returns it with their names. */
export function headTree(
  base: Tree,
  random: Random,
): [tree: Tree, mutations: string[]] {
  const tree: Tree = { ...base };
  const mutations: string[] = [];
  for (let changes = 1 + random.below(4); changes > 0; changes--) {
    const paths = workflowFiles(tree).filter((path) =>
      path.lastIndexOf("/") === FOLDER.length
    );
    const path = paths.length > 0 ? random.pick(paths) : `${FOLDER}/alpha.yaml`;
    // The path determines the ID, unless the workflow sets it.
    const workflow = tree[path]?.workflow ?? base[path]?.workflow ??
      { ...base[`${FOLDER}/alpha.yaml`].workflow!, hasOwnId: true };
    const changed: Workflow = {
      ...workflow,
      jobs: Object.fromEntries(
        Object.entries(workflow.jobs).map((
          [name, job],
        ) => [name, { ...job, command: `${job.command} changed` }]),
      ),
    };
    const name = random.pick(MUTATION_NAMES);
    mutations.push(name);
    MUTATIONS[name](tree, path, changed, random);
    if (LAST.includes(name)) break;
  }
  // A path cannot be a file and a directory.
  for (const path of Object.keys(tree)) {
    const outer = path.slice(0, path.lastIndexOf("/"));
    if (isWritten(tree[path]) && isWritten(tree[outer])) delete tree[path];
  }
  return [tree, mutations];
}

function isWritten({ content, link, isSubmodule }: Entry = {}): boolean {
  return content !== undefined || link !== undefined || isSubmodule === true;
}

/** Writes a tree as a checkout has it. */
export async function writeTree(root: string, tree: Tree): Promise<void> {
  await removeTree(root);
  await Deno.mkdir(root, { recursive: true });
  for (const [path, entry] of Object.entries(tree)) {
    if (!isWritten(entry)) continue;
    const { content, link, isSubmodule } = entry;
    const full = `${root}/${path}`;
    await Deno.mkdir(full.slice(0, full.lastIndexOf("/")), { recursive: true });
    if (isSubmodule) await Deno.mkdir(full);
    else if (link !== undefined) await Deno.symlink(link, full);
    else if (typeof content === "string") {
      await Deno.writeTextFile(full, content);
    } else if (content !== undefined) await Deno.writeFile(full, content);
  }
}

/** Lists the paths that git would list as changed. */
export function changedPaths(base: Tree, head: Tree): string[] {
  const createKey = ({ content, link, isSubmodule }: Entry = {}) =>
    `${link ?? ""}|${isSubmodule ?? ""}|${content ?? ""}`;
  return [...new Set([...Object.keys(base), ...Object.keys(head)])]
    .filter((path) => createKey(base[path]) !== createKey(head[path]));
}
