import { OWN_DIRECTORY } from "../../job_path.ts";
import { Variable } from "../../environment/variables.ts";
import { messageOf, RunnerError } from "../../errors.ts";
import {
  privateDirectory,
  temporaryParents,
} from "../../fs/temporary_directory.ts";
import { defaultOf } from "../../options/options.ts";
import { readGrants } from "../../plugins/permissions/grants.ts";
import { findOnPath } from "../../plugins/sandbox/find_deno.ts";
import type { CommandConfig } from "../command_config.ts";
import {
  inspectDefinition,
  loadJobs,
  readDefinitions,
} from "./inspect_definitions.ts";
import { missingPython, pluginFiles, reportPlugin } from "./inspect_plugins.ts";
import { inspectScripts } from "./inspect_scripts.ts";
import {
  type Inspection,
  type InspectOptions,
  isDefinition,
  type MigrationFinding,
  type MigrationReport,
  PLUGIN_FOLDER,
  sortFindings,
} from "./inspection.ts";
import { checkLines } from "./text_rules.ts";
import {
  type TreeFile,
  type UnreadFile,
  UntrustedTree,
} from "./untrusted_tree.ts";

/**
 * Inspects a repository with the settings of this runner. Permissions that are
 * already granted are not reported, nor, in a container, programs on `PATH`.
 *
 * @param directory Absolute path of the repository.
 * @param commandNamed Returns a command of the runner.
 */
export function migrateReport(
  directory: string,
  { settings, runner }: CommandConfig,
  commandNamed: InspectOptions["commandNamed"],
): Promise<MigrationReport> {
  const { host, workspace, allowInsecureTransport } = runner;
  return inspectRepository(directory, {
    grantsOf: readGrants(settings.lines("plugin_permissions")),
    trustsPlugins: settings.isOn("trust_plugins"),
    hasPluginTimeout: settings.get("plugin_timeout") !== undefined,
    isDeep: settings.get("fetch_depth")?.value !== defaultOf("fetch_depth"),
    hasReadToken: (host.env[Variable.readToken] ?? "") !== "",
    allowsPlainHttp: allowInsecureTransport,
    hasProgram: async (name) =>
      workspace.inContainer && await findOnPath(name, host.env) !== undefined,
    commandNamed,
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
  const tree = new UntrustedTree(await repositoryOf(directory));
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
  const plugins = await pluginFiles(copy.path, findings);
  const secretNames = new Set(
    [...definitions.texts.values()].flatMap(({ secretNames }) => secretNames),
  );
  findings.push(...await missingPython(context, plugins));
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
  findings.push(...tree.unread.map(unreadFinding));
  return { findings: sortFindings(findings), fileCount: tree.fileCount };
}

/** Returns the directory, or its parent if it is the CI folder. */
async function repositoryOf(directory: string): Promise<string> {
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

function unreadFinding(
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
