import { shellWord } from "../command_text.ts";
import { Variable } from "../environment/variables.ts";
import { isInside } from "../job_path.ts";
import { fileUrl, type PluginFile, realPluginFile } from "./find_files.ts";
import {
  ALL_OF_CI_SOURCE,
  expandPaths,
  type GrantsOf,
  type RightsDirectories,
} from "./rights/grants.ts";
import { readManifest } from "./rights/manifest.ts";
import {
  commonRights,
  type PluginPermissions,
  RIGHT_KINDS,
  type RightKind,
} from "./rights/rights.ts";

/** A plugin that is to run in a process of its own. */
export interface PluginSource {
  /** Name under which rights are granted to it. */
  readonly name: string;
  /** Where it comes from, for messages. */
  readonly origin: string;
  /** Address of its code; none for a program. */
  readonly url?: string;
  /**
   * Whether it is a program in Python that the host of such plugins loads.
   *
   * @default {false}
   */
  readonly isPython?: boolean;
  /**
   * Whether it is a plugin of the trusted CI source.
   *
   * @default {false}
   */
  readonly isOfCiSource?: boolean;
  /** Path of its file, if it has one. */
  readonly file?: string;
  /** Directory in which its process runs. */
  readonly cwd: string;
  /** Lock file that holds the pins of its address. */
  readonly lockFile?: string;
  /** Cache of Deno that holds its module graph, if that was fetched beforehand. */
  readonly denoDir?: string;
  /** What it asks for; `undefined` if only the plugin itself knows. */
  readonly asked?: PluginPermissions;
}

/** What decides about the rights of plugins. */
export interface RightsPolicy {
  /** Returns what the plugin of a name is granted. */
  readonly grantsOf: GrantsOf;
  /** Directories that may stand in rights. */
  readonly directories: RightsDirectories;
  /** A directory of which there is a copy: who may read one may read the other. */
  readonly copy?: { readonly original: string; readonly path: string };
}

/**
 * Reads what there is to know of a plugin's file without running it.
 *
 * @param file The file.
 * @returns The plugin.
 * @throws {TypeError} If it is no file to be run, or its manifest is wrong.
 */
export async function fileSource(file: PluginFile): Promise<PluginSource> {
  const real = await realPluginFile(file.path);
  const cwd = real.slice(0, real.lastIndexOf("/")) || "/";
  const source = { name: file.name, origin: file.path, file: real, cwd };
  if (file.kind === "program") return source;
  if (file.kind === "python") return { ...source, isPython: true };
  if (real.includes(",")) {
    throw new TypeError("its path holds a comma, which Deno cannot permit");
  }
  const asked = readManifest(await Deno.readTextFile(real));
  return { ...source, url: fileUrl(real), asked };
}

/** What a plugin may do, and what it asks for in vain. */
export interface PluginRights {
  /** What it may do. */
  readonly rights: PluginPermissions;
  /** What it asks for and is not granted as it asks. */
  readonly refused: readonly { kind: RightKind; value: string }[];
}

/**
 * Finds the rights of a plugin: what it asks for and is granted.
 *
 * @param source The plugin.
 * @param policy What decides.
 * @param asked What it asks for.
 * @returns Its rights.
 * @throws {TypeError} If a path cannot be permitted.
 */
export function rightsOf(
  source: PluginSource,
  policy: RightsPolicy,
  asked: PluginPermissions = source.asked ?? {},
): PluginRights {
  const directories = { ...policy.directories, PLUGIN_DIR: source.cwd };
  const requested = expandPaths(asked, directories);
  const grants = expandPaths(
    policy.grantsOf(source.name, source.isOfCiSource),
    directories,
  );
  const rights = commonRights(requested, grants);
  const refused = RIGHT_KINDS.flatMap((kind) =>
    (requested[kind] ?? []).filter((value) => !rights[kind]?.includes(value))
      .map((value) => ({ kind, value }))
  );
  return { rights: withCopy(rights, policy.copy), refused };
}

function withCopy(
  rights: PluginPermissions,
  copy: RightsPolicy["copy"],
): PluginPermissions {
  if (rights.read === undefined || copy === undefined) return rights;
  const { original, path } = copy;
  const copies = rights.read.flatMap((read) => {
    if (isInside(read, original)) return path;
    return isInside(original, read) ? path + read.slice(original.length) : [];
  });
  return { ...rights, read: [...new Set([...rights.read, ...copies])] };
}

/**
 * Checks whether a program may run as a plugin. Nothing can confine it, so it
 * runs with the user's rights or not at all.
 *
 * @param rights What it is granted.
 * @returns Whether it may.
 */
export function mayRun({ run }: PluginPermissions): boolean {
  return run?.includes("*") ?? false;
}

/**
 * Explains that programs may not run as plugins, and how to allow it.
 *
 * @param sources The programs, at least one.
 * @returns Text that can end a sentence.
 */
export function ungrantedText(sources: readonly PluginSource[]): string {
  const isOne = sources.length === 1;
  const kind = sources.every(({ isPython }) => isPython)
    ? "Python plugin"
    : "program";
  const subject = isOne ? `it is a ${kind}` : `they are ${kind}s`;
  const options = sources.map(({ name }) =>
    `--allow-plugin ${grantWord(`${name}:run=*`)}`
  );
  const all = `${ALL_OF_CI_SOURCE}:run=*`;
  const ofCiSource = sources.some(({ isOfCiSource }) => isOfCiSource)
    ? `; --allow-plugin ${grantWord(all)}, or the line ${all} in ` +
      `${Variable.pluginPermissions}, allows every plugin of the trusted CI source`
    : "";
  return `${subject}, which can do whatever the runner can; to allow ${
    isOne ? "it, grant it" : "them, grant each"
  } with ${options.join(" ")}${ofCiSource}`;
}

/** A plain name needs no quotes: no shell finds a file of the name of a grant. */
function grantWord(grant: string): string {
  return /^[\w.:=*-]+$/.test(grant) ? grant : shellWord(grant);
}
