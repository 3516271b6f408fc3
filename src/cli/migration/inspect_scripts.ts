import { OWN_DIRECTORY } from "../../job_path.ts";
import { Variable } from "../../environment/variables.ts";
import type { DefinitionText } from "./definition_text.ts";
import {
  type Inspection,
  type JobTraits,
  type MigrationFinding,
  PLUGIN_FOLDER,
  traitsOf,
} from "./inspection.ts";
import {
  firstCall,
  importedModules,
  missingNames,
  oldNames,
  oldPackage,
} from "./python_runner.ts";
import { type ShellCommand, shellCommands } from "./shell_commands.ts";
import { sourceCommands } from "./source_commands.ts";
import { checkCommands, checkLines } from "./text_rules.ts";
import { namedFile, type TreeFile } from "./untrusted_tree.ts";

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
export async function inspectScripts(
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
    for (const word of fileWords(commands)) {
      const path = await namedFile(tree, word, from);
      if (path !== undefined) add(path, of);
    }
  };
  for (const [file, { commands }] of definitions) {
    for (const { text } of commands) {
      await addNamed(shellCommands(text), file, traitsOf(context, text));
    }
  }
  const isShallow = !context.isDeep && (context.jobs.length === 0 ||
    context.jobs.some(({ body }) =>
      traitsOf(context, body.command ?? "").isShallow
    ));
  const others = { isShallow, usesImage: true };
  for (const { path } of files) {
    const isPlugin = path.startsWith(`${PLUGIN_FOLDER}/`);
    if (isPlugin || !traits.has(path)) add(path, others);
  }
  while (queue.length > 0) {
    const path = queue.shift()!;
    const file = await tree.read(path);
    const commands = file === undefined ? undefined : commandsOf(file);
    if (commands !== undefined) {
      await addNamed(commands, path, traits.get(path)!);
    }
  }
  for (const [path, of] of traits) {
    const file = await tree.read(path);
    if (file === undefined || definitions.has(path)) continue;
    findings.push(...await pythonFindings(context, file));
    const commands = commandsOf(file);
    if (commands === undefined) continue;
    const check = { file: path, commands, traits: of, isDefinition: false };
    findings.push(...await checkCommands(check, context));
    if (!path.startsWith(`${OWN_DIRECTORY}/`)) {
      findings.push(...checkLines(path, file.text, context.allowsPlainHttp));
    }
  }
}

/** Returns words of commands that may be files, relative to directories of `cd`. */
function fileWords(commands: readonly ShellCommand[]): Set<string> {
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
function commandsOf({ path, text }: TreeFile): ShellCommand[] | undefined {
  const [firstLine] = text.slice(0, 200).split("\n");
  const shebang = firstLine.startsWith("#!") ? firstLine : "";
  if (/(?:^|\/)(?:GNUm|[Mm])akefile$|\.mk$/.test(path)) {
    return shellCommands(recipesOf(text));
  }
  if (
    /\.(?:ba|da|k|z)?sh$/.test(path) || /\b(?:ba|da|k|z)?sh\b/.test(shebang)
  ) {
    return shellCommands(text);
  }
  if (isPython(path, shebang)) return sourceCommands(text, "python");
  return /\.[mc]?[jt]s$/.test(path) || /\b(?:deno|node|bun)\b/.test(shebang)
    ? sourceCommands(text, "typescript")
    : undefined;
}

function isPython(path: string, shebang: string): boolean {
  return path.endsWith(".py") || /\bpython[\d.]*\b/.test(shebang);
}

/** Returns shell commands of a makefile; all other lines are empty. */
function recipesOf(makefile: string): string {
  return makefile.split("\n").map((line) =>
    line.startsWith("\t")
      ? line.replace(/^\t[@+-]*/, "").replace(/\$[({](\w+)[)}]/g, "${$1}")
        .replaceAll("$$", "$")
      : /\$\(shell\s+(.*)\)/.exec(line)?.[1] ?? ""
  ).join("\n");
}

async function pythonFindings(
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
  for (const { name, line } of missingNames(text)) {
    if (await isOwn(name)) continue;
    findings.push(finding(
      "api",
      line,
      `"${name}" does not exist; docs/plugins.md lists what Python can import`,
    ));
  }
  const isPlugin = path.startsWith(`${PLUGIN_FOLDER}/`);
  for (const { name, line } of isPlugin ? [] : oldNames(text)) {
    if (await isOwn(name)) continue;
    findings.push(finding(
      "api",
      line,
      `"${name}" can be imported only in plugins. Elsewhere, import:`,
      `runnerlib${name.slice("src".length)}`,
    ));
  }
  const query = firstCall(text, ["is_job_running", "get_job_result"]);
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
  for (const { name, line } of importedModules(text)) {
    const packageName = oldPackage(name);
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
