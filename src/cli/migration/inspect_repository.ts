import { Variable } from "../../environment/variables.ts";
import { messageOf, RunnerError } from "../../errors.ts";
import {
  privateDirectory,
  temporaryParents,
} from "../../fs/temporary_directory.ts";
import { OWN_DIRECTORY } from "../../job_path.ts";
import { getDefault } from "../../options/options.ts";
import { findPluginFiles, type PluginFile } from "../../plugins/find_files.ts";
import { readGrants } from "../../plugins/permissions/grants.ts";
import { mayRun } from "../../plugins/plugin_source.ts";
import { findOnPath } from "../../plugins/sandbox/find_deno.ts";
import type { CommandConfig } from "../command_config.ts";
import {
  type DefinitionText,
  inspectDefinition,
  loadJobs,
  readDefinitions,
} from "./inspect_definitions.ts";
import {
  describeJobs,
  type Inspection,
  type InspectOptions,
  isDefinition,
  type JobTraits,
  type MigrationFinding,
  type MigrationReport,
  PLUGIN_FOLDER,
  sortFindings,
} from "./inspection.ts";
import {
  findFirstCall,
  findImportedModules,
  findMissingNames,
  findOldNames,
  findOldPackage,
  findPhases,
  findProgramFix,
} from "./python_runner.ts";
import {
  findShellCommands,
  findSourceCommands,
  type ShellCommand,
} from "./shell_commands.ts";
import { checkCommands, checkLines } from "./text_rules.ts";
import {
  resolveNamedFile,
  type TreeFile,
  type UnreadFile,
  UntrustedTree,
} from "./untrusted_tree.ts";

/**
 * Inspects a repository with the settings of this runner. Permissions that are
 * already granted are not reported, nor, in a container, programs on `PATH`.
 *
 * @param directory Absolute path of the repository.
 * @param findCommand Returns a command of the runner.
 */
export function createMigrationReport(
  directory: string,
  { settings, runner }: CommandConfig,
  findCommand: InspectOptions["findCommand"],
): Promise<MigrationReport> {
  const { host, workspace, allowInsecureTransport } = runner;
  return inspectRepository(directory, {
    grantsOf: readGrants(settings.lines("plugin_permissions")),
    trustsPlugins: settings.isOn("trust_plugins"),
    hasPluginTimeout: settings.get("plugin_timeout") !== undefined,
    isDeep: settings.get("fetch_depth")?.value !== getDefault("fetch_depth"),
    hasReadToken: (host.env[Variable.readToken] ?? "") !== "",
    allowsPlainHttp: allowInsecureTransport,
    hasProgram: async (name) =>
      workspace.inContainer && await findOnPath(name, host.env) !== undefined,
    findCommand: findCommand,
    temporaryDirectories: temporaryParents({ env: host.env, workspace }),
  });
}

/**
 * Finds differences in behavior for a repository that uses the Python runner.
 *
 * No code of the repository runs. Files are read within limits and without
 * following links; definitions are read from a private copy.
 *
 * @param directory Absolute path of the repository.
 * @returns Differences, by file and line.
 * @throws {RunnerError} `invalid-config` if the directory does not exist or
 * contains no CI folder.
 */
async function inspectRepository(
  directory: string,
  options: InspectOptions,
): Promise<MigrationReport> {
  const tree = new UntrustedTree(await findRepository(directory));
  const files = await tree.readAll(OWN_DIRECTORY);
  const definitions = await readDefinitions(tree, files);
  using copy = privateDirectory(options.temporaryDirectories);
  await writeCopy(copy.path, [...files, ...definitions.otherFiles]);
  const findings: MigrationFinding[] = [];
  const jobs = await loadJobs(copy.path, findings);
  const context: Inspection = { ...options, tree, findings, jobs };
  for (const [file, text] of definitions.texts) {
    await inspectDefinition(context, file, text);
  }
  const plugins = await findPlugins(copy.path, findings);
  const secretNames = new Set(
    [...definitions.texts.values()].flatMap(({ secretNames }) => secretNames),
  );
  findings.push(...await checkPython(context, plugins));
  for (const plugin of plugins) {
    const file = files.find(({ path }) =>
      path === `${PLUGIN_FOLDER}/${plugin.base}`
    );
    if (file !== undefined) reportPlugin(context, plugin, file, secretNames);
  }
  await inspectScripts(context, files, definitions.texts);
  for (const { path, text } of [...files, ...definitions.otherFiles]) {
    findings.push(...checkLines(path, text, options.allowsPlainHttp));
  }
  findings.push(...tree.unread.map(createUnreadFinding));
  return { findings: sortFindings(findings), fileCount: tree.fileCount };
}

/** Returns the directory, or its parent if it is the CI folder. */
async function findRepository(directory: string): Promise<string> {
  let reason = `it does not contain ${OWN_DIRECTORY}`;
  try {
    const root = await Deno.realPath(directory);
    const base = root.endsWith(`/${OWN_DIRECTORY}`)
      ? root.slice(0, -OWN_DIRECTORY.length - 1)
      : root;
    const { isDirectory } = await Deno.lstat(`${base}/${OWN_DIRECTORY}`);
    if (isDirectory) return base;
    reason = `${OWN_DIRECTORY} in it is not a directory`;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) reason = messageOf(error);
  }
  throw new RunnerError(`Cannot inspect "${directory}": ${reason}`, {
    code: "invalid-config",
  });
}

/**
 * Writes a copy without links, because the readers of definitions would follow
 * them.
 */
async function writeCopy(
  directory: string,
  files: readonly TreeFile[],
): Promise<void> {
  for (const { path, bytes, isExecutable } of files) {
    const parent = path.slice(0, path.lastIndexOf("/"));
    if (parent !== path && path.includes("/")) {
      await Deno.mkdir(`${directory}/${parent}`, { recursive: true });
    }
    const mode = isExecutable ? 0o700 : 0o600;
    await Deno.writeFile(`${directory}/${path}`, bytes, { mode });
  }
}

function createUnreadFinding(
  { path, reason, isDirectory = false }: UnreadFile,
): MigrationFinding {
  const matters = isDirectory || isDefinition(path) ||
    path.startsWith(`${PLUGIN_FOLDER}/plugin_`);
  return {
    file: path,
    kind: "unread",
    state: matters ? "needed" : "note",
    change: `not inspected: ${reason}`,
  };
}

/** Maximum number of words of a command that are looked up as files. */
const MAX_WORDS = 50;

/** Maximum number of directories of `cd` in which files are looked up. */
const MAX_DIRECTORIES = 8;

/**
 * Checks scripts, plugins and pipelines, and files that they refer to.
 *
 * @param files Files of the CI folder.
 * @param definitions Job and workflow files.
 */
async function inspectScripts(
  context: Inspection,
  files: readonly TreeFile[],
  definitions: ReadonlyMap<string, DefinitionText>,
): Promise<void> {
  const { tree, findings } = context;
  const traits = new Map<string, JobTraits>();
  const queue: string[] = [];
  const add = (path: string, next: JobTraits) => {
    const before = traits.get(path);
    const isShallow = next.isShallow || (before?.isShallow ?? false);
    const usesImage = next.usesImage || (before?.usesImage ?? false);
    if (
      before?.isShallow === isShallow && before.usesImage === usesImage
    ) return;
    traits.set(path, { isShallow, usesImage });
    queue.push(path);
  };
  const addNamed = async (
    commands: readonly ShellCommand[],
    from: string,
    of: JobTraits,
  ) => {
    for (const word of collectFileWords(commands)) {
      const path = await resolveNamedFile(tree, word, from);
      if (path !== undefined) add(path, of);
    }
  };
  for (const [file, { commands }] of definitions) {
    for (const { text } of commands) {
      await addNamed(
        findShellCommands(text),
        file,
        describeJobs(context, text),
      );
    }
  }
  const isShallow = !context.isDeep && (context.jobs.length === 0 ||
    context.jobs.some(({ body }) =>
      describeJobs(context, body.command ?? "").isShallow
    ));
  const others = { isShallow, usesImage: true };
  for (const { path } of files) {
    const isPlugin = path.startsWith(`${PLUGIN_FOLDER}/`);
    if (isPlugin || !traits.has(path)) add(path, others);
  }
  while (queue.length > 0) {
    const path = queue.shift()!;
    const file = await tree.read(path);
    const commands = file === undefined ? undefined : readCommands(file);
    if (commands !== undefined) {
      await addNamed(commands, path, traits.get(path)!);
    }
  }
  for (const [path, of] of traits) {
    const file = await tree.read(path);
    if (file === undefined || definitions.has(path)) continue;
    findings.push(...await checkPythonFile(context, file));
    const commands = readCommands(file);
    if (commands === undefined) continue;
    const check = { file: path, commands, traits: of, isDefinition: false };
    findings.push(...await checkCommands(check, context));
    if (!path.startsWith(`${OWN_DIRECTORY}/`)) {
      findings.push(...checkLines(path, file.text, context.allowsPlainHttp));
    }
  }
}

/** Returns words of commands that may be files, relative to directories of `cd`. */
function collectFileWords(commands: readonly ShellCommand[]): Set<string> {
  const words = new Set<string>();
  const directories = [""];
  for (const { argv } of commands) {
    const [program, ...args] = argv.slice(0, MAX_WORDS);
    if (program === "cd" && args[0] !== undefined) {
      if (directories.length < MAX_DIRECTORIES) directories.push(`${args[0]}/`);
      continue;
    }
    const files = [program, ...args];
    if (program === "make") {
      const at = args.indexOf("-C");
      const below = at < 0 ? "" : `${args[at + 1] ?? "."}/`;
      for (const name of ["Makefile", "makefile", "GNUmakefile"]) {
        files.push(`./${below}${name}`);
      }
    }
    const module = args[args.indexOf("-m") + 1] ?? "";
    if (/^python/.test(program) && args.includes("-m")) {
      const path = module.replaceAll(".", "/");
      files.push(`./${path}.py`, `./${path}/__main__.py`);
    }
    for (const file of files) {
      for (const directory of directories) words.add(`${directory}${file}`);
    }
  }
  return words;
}

/** Returns the commands of a file; `undefined` if its language is unknown. */
function readCommands({ path, text }: TreeFile): ShellCommand[] | undefined {
  const [firstLine] = text.slice(0, 200).split("\n");
  const shebang = firstLine.startsWith("#!") ? firstLine : "";
  if (/(?:^|\/)(?:GNUm|[Mm])akefile$|\.mk$/.test(path)) {
    return findShellCommands(readRecipes(text));
  }
  if (
    /\.(?:ba|da|k|z)?sh$/.test(path) || /\b(?:ba|da|k|z)?sh\b/.test(shebang)
  ) {
    return findShellCommands(text);
  }
  if (isPython(path, shebang)) return findSourceCommands(text, "python");
  return /\.[mc]?[jt]s$/.test(path) || /\b(?:deno|node|bun)\b/.test(shebang)
    ? findSourceCommands(text, "typescript")
    : undefined;
}

function isPython(path: string, shebang: string): boolean {
  return path.endsWith(".py") || /\bpython[\d.]*\b/.test(shebang);
}

/** Returns shell commands of a makefile; all other lines are empty. */
function readRecipes(makefile: string): string {
  return makefile.split("\n").map((line) =>
    line.startsWith("\t")
      ? line.replace(/^\t[@+-]*/, "").replace(/\$[({](\w+)[)}]/g, "${$1}")
        .replaceAll("$$", "$")
      : /\$\(shell\s+(.*)\)/.exec(line)?.[1] ?? ""
  ).join("\n");
}

async function checkPythonFile(
  { tree, jobs, hasReadToken }: Inspection,
  { path, text }: TreeFile,
): Promise<MigrationFinding[]> {
  if (!isPython(path, text.slice(0, 100).split("\n")[0])) return [];
  const finding = (
    kind: MigrationFinding["kind"],
    line: number,
    change: string,
    fix?: string,
  ): MigrationFinding => ({
    file: path,
    line,
    kind,
    state: "needed",
    change,
    ...fix === undefined ? {} : { fix },
  });
  // A repository may contain its own package "src".
  const isOwn = async (name: string) => {
    const [root, module] = name.split(".");
    const places = [`src/${module}.py`, `src/${module}/__init__.py`];
    const above = path.slice(0, path.lastIndexOf("/") + 1);
    for (const place of root === "src" ? places : []) {
      if (await tree.hasFile(place)) return true;
      if (await tree.hasFile(`${above}${place}`)) return true;
    }
    return false;
  };
  const findings: MigrationFinding[] = [];
  for (const { name, line } of findMissingNames(text)) {
    if (await isOwn(name)) continue;
    findings.push(finding(
      "api",
      line,
      `"${name}" does not exist; docs/plugins.md lists what Python can import`,
    ));
  }
  const isPlugin = path.startsWith(`${PLUGIN_FOLDER}/`);
  for (const { name, line } of isPlugin ? [] : findOldNames(text)) {
    if (await isOwn(name)) continue;
    findings.push(finding(
      "api",
      line,
      `"${name}" can be imported only in plugins. Elsewhere, import:`,
      `runnerlib${name.slice("src".length)}`,
    ));
  }
  const query = findFirstCall(text, ["is_job_running", "get_job_result"]);
  const canRead = hasReadToken ||
    jobs.some(({ env }) => env[Variable.readToken] !== undefined);
  if (query !== undefined && !canRead) {
    findings.push(finding(
      "api",
      query.line,
      `${query.name}() asks the coordinator, which needs a token that can read jobs; in the Python runner, it never found a job. Add to the environment of the jobs that run this file:`,
      `${Variable.readToken}: \${secret:PATH:KEY}`,
    ));
  }
  for (const { name, line } of findImportedModules(text)) {
    const packageName = findOldPackage(name);
    if (packageName === undefined) continue;
    findings.push(finding(
      "package",
      line,
      `the Python package "${name}" came with the Python runner and is not in the image. Install it in ${
        isPlugin ? "an image of your own" : "the job"
      }:`,
      `pip install ${packageName}`,
    ));
  }
  return findings;
}

/** Phases in which the Python runner called plugins from files. */
const OLD_PHASES: readonly string[] = ["CLEANUP", "POST_SOURCE_PREP"];

/** A plugin file and its name. */
export type NamedPlugin = PluginFile & { readonly base: string };

/**
 * Finds the plugins of a repository.
 *
 * @param root Absolute path of a copy without links.
 * @param findings Receives problems that make the runner reject a job.
 */
async function findPlugins(
  root: string,
  findings: MigrationFinding[],
): Promise<NamedPlugin[]> {
  try {
    await Deno.lstat(`${root}/${PLUGIN_FOLDER}`);
  } catch {
    return [];
  }
  try {
    return (await findPluginFiles(`${root}/${PLUGIN_FOLDER}`))
      .map((plugin) => ({
        ...plugin,
        base: plugin.path.slice(plugin.path.lastIndexOf("/") + 1),
      }));
  } catch (error) {
    const [, path, reason] = /"(.*)": (.*)$/s.exec(messageOf(error)) ??
      [, PLUGIN_FOLDER, messageOf(error)];
    findings.push({
      file: path!.slice(path!.lastIndexOf(OWN_DIRECTORY)),
      kind: "plugin",
      state: "needed",
      change: `the job is refused: ${reason}`,
    });
    return [];
  }
}

/** Checks whether Python is available if there are Python plugins. */
async function checkPython(
  { hasProgram }: Inspection,
  plugins: readonly PluginFile[],
): Promise<MigrationFinding[]> {
  const python = plugins.find(({ kind }) => kind === "python");
  if (python === undefined || await hasProgram("python3")) return [];
  return [{
    file: PLUGIN_FOLDER,
    kind: "program",
    state: "needed",
    change: 'Python plugins need "python3". Add it with:',
    fix: findProgramFix("python3"),
  }];
}

/**
 * Checks the permissions of a plugin, and whether its time limit is sufficient.
 *
 * @param secretNames Variables that contain secrets from the store.
 */
function reportPlugin(
  { findings, grantsOf, trustsPlugins, hasPluginTimeout }: Inspection,
  { name, kind }: PluginFile,
  { path: file, text }: TreeFile,
  secretNames: ReadonlySet<string>,
): void {
  if (kind === "module") return;
  const phases = kind === "python"
    ? findPhases(text).filter((phase) => !OLD_PHASES.includes(phase))
    : [];
  if (phases.length > 0) {
    findings.push({
      file,
      kind: "plugin",
      state: "note",
      change: `the plugin supports ${
        phases.join(", ")
      }: it is now called in these phases. The Python runner did so only in nested containers`,
    });
  }
  const permissions = grantsOf(name, true);
  if (!mayRun(permissions) && !(kind !== "program" && trustsPlugins)) {
    findings.push({
      file,
      kind: "plugin",
      state: "needed",
      change:
        `the job is refused until the operator adds this line to ${Variable.pluginPermissions}:`,
      fix: "ci/*:run=*",
    });
  }
  const words = new Set(
    [...text.matchAll(/["'](\w{1,200})["']/g)].map(([, word]) => word),
  );
  const usedSecrets = [...secretNames].filter((secret) =>
    words.has(secret) && !permissions.env?.includes(secret) &&
    !permissions.env?.includes("*")
  ).sort();
  if (usedSecrets.length > 0) {
    findings.push({
      file,
      line: findLine(text, usedSecrets[0]),
      kind: "plugin",
      state: "needed",
      change: `the plugin does not see the secret${
        usedSecrets.length > 1 ? "s" : ""
      } ${
        usedSecrets.join(", ")
      } until the operator adds this line to ${Variable.pluginPermissions}:`,
      fix: `ci/*:env=${usedSecrets.join(",")}`,
    });
  }
  const work =
    /\bsubprocess\b|\bos\.system\b|\burlopen\b|\brequests\.|\bsleep\(/
      .exec(text);
  if (kind === "python" && work !== null && !hasPluginTimeout) {
    findings.push({
      file,
      line: findLine(text, work[0]),
      kind: "plugin",
      state: "needed",
      change:
        "the time limit of a plugin is 60 s per phase, and this one runs programs or waits. To raise it, set:",
      fix: `${Variable.pluginTimeout}=30m`,
    });
  }
}

function findLine(text: string, word: string): number {
  return text.slice(0, text.indexOf(word)).split("\n").length;
}
