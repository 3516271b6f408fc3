import { OWN_DIRECTORY } from "../../job_path.ts";
import { Variable } from "../../environment/variables.ts";
import { messageOf } from "../../errors.ts";
import { findPluginFiles, type PluginFile } from "../../plugins/find_files.ts";
import { mayRun } from "../../plugins/plugin_source.ts";
import {
  type Inspection,
  type MigrationFinding,
  PLUGIN_FOLDER,
} from "./inspection.ts";
import { namedPhases, programFix } from "./python_runner.ts";
import type { TreeFile } from "./untrusted_tree.ts";

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
export async function pluginFiles(
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
export async function missingPython(
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
    fix: programFix("python3"),
  }];
}

/**
 * Checks the permissions of a plugin, and whether its time limit is sufficient.
 *
 * @param secretNames Variables that contain secrets from the store.
 */
export function reportPlugin(
  { findings, grantsOf, trustsPlugins, hasPluginTimeout }: Inspection,
  { name, kind }: PluginFile,
  { path: file, text }: TreeFile,
  secretNames: ReadonlySet<string>,
): void {
  if (kind === "module") return;
  const phases = kind === "python"
    ? namedPhases(text).filter((phase) => !OLD_PHASES.includes(phase))
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
