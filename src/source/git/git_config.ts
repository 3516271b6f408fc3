import { resolve } from "@std/path/posix/resolve";
import type { Environment } from "../../environment/variables.ts";
import type { GitUrl } from "./url.ts";

/** A key of git's configuration and its value. */
export type ConfigEntry = readonly [key: string, value: string];

/**
 * Appends settings to the `GIT_CONFIG_*` entries of an environment.
 *
 * @returns A copy of the environment with the settings.
 */
export function withConfigEntries<Env extends Environment>(
  env: Env,
  entries: readonly ConfigEntry[],
): Env {
  const count = /^\d+$/.test(env.GIT_CONFIG_COUNT ?? "")
    ? Number(env.GIT_CONFIG_COUNT)
    : 0;
  const added = entries.flatMap(([key, value], index) => [
    [`GIT_CONFIG_KEY_${count + index}`, key],
    [`GIT_CONFIG_VALUE_${count + index}`, value],
  ]);
  return {
    ...env,
    ...Object.fromEntries(added),
    GIT_CONFIG_COUNT: String(count + entries.length),
  };
}

/** Values of boolean settings and similar ones; none is a program or a path. */
const WORD =
  /^(?:true|false|yes|no|on|off|[01]|input|auto|default|minimal|crlf|lf|native|warn)?$/i;

/** Any value, for settings that git only prints or compares. */
// deno-lint-ignore no-control-regex
const TEXT = /^[^\x00-\x1f\x7f]*$/;

/**
 * Allowed settings of a repository for queries, and their values. All other
 * settings are ignored, so no current or future setting of git can start a
 * program, or lead to another file or server.
 */
const REPOSITORY_SETTINGS: readonly (readonly [RegExp, RegExp])[] = [
  [
    /^core\.(?:autocrlf|checkstat|eol|filemode|ignorecase|precomposeunicode|safecrlf|sparsecheckout|sparsecheckoutcone|symlinks|trustctime)$/,
    WORD,
  ],
  [/^index\.sparse$/, WORD],
  [/^remote\.[^\n]+\.(?:url|fetch)$/s, TEXT],
  [/^branch\.[^\n]+\.(?:remote|merge)$/s, TEXT],
  [/^runnerlib\.fetchdepth$/, /^\d+$/],
];

/** Settings of the user that affect what counts as a change. */
const USER_SETTINGS: readonly (readonly [RegExp, RegExp])[] = [
  [/^core\.(?:autocrlf|eol|safecrlf)$/, WORD],
  [/^core\.(?:excludesfile|attributesfile)$/, TEXT],
];

/**
 * Selects the settings of a repository that queries need.
 *
 * @param entries All settings, in the order of the file.
 */
export function repositorySettings(
  entries: readonly ConfigEntry[],
): ConfigEntry[] {
  return pick(entries, REPOSITORY_SETTINGS);
}

/** Selects the settings of the user that queries need. */
export function userSettings(entries: readonly ConfigEntry[]): ConfigEntry[] {
  return pick(entries, USER_SETTINGS);
}

/**
 * Parses the output of `git config --null --list`.
 *
 * @returns Keys and values; a key without a value is `true`.
 */
export function readEntries(text: string): ConfigEntry[] {
  return text.split("\0").slice(0, -1).map((entry) => {
    const end = entry.indexOf("\n");
    return end < 0
      ? [entry, "true"]
      : [entry.slice(0, end), entry.slice(end + 1)];
  });
}

/** Formats settings as a git configuration file. */
export function configText(entries: readonly ConfigEntry[]): string {
  return entries.map(([key, value]) => {
    const [, section, subsection, name] = /^([^.]+)(?:\.(.*))?\.([^.]+)$/s.exec(
      key,
    )!;
    const head = subsection === undefined
      ? `[${section}]`
      : `[${section} ${quote(subsection)}]`;
    return `${head}\n\t${name} = ${quote(value)}\n`;
  }).join("");
}

function quote(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}

function pick(
  entries: readonly ConfigEntry[],
  settings: readonly (readonly [RegExp, RegExp])[],
): ConfigEntry[] {
  return entries.filter(([key, value]) =>
    TEXT.test(key) &&
    settings.some(([name, values]) => name.test(key) && values.test(value))
  );
}

const LETTER_ESCAPES: Readonly<Record<string, string>> = {
  "\x07": "\\a",
  "\b": "\\b",
  "\t": "\\t",
  "\n": "\\n",
  "\v": "\\v",
  "\f": "\\f",
  "\r": "\\r",
};

/**
 * Quotes a path like a C string, as git reads and prints paths in lines.
 *
 * @returns The quoted path in one line.
 */
export function quotePath(path: string): string {
  const text = path.replace(/["\\]/g, "\\$&")
    .replace(
      // deno-lint-ignore no-control-regex
      /[\x00-\x1f\x7f-\x9f]/g,
      (character) => LETTER_ESCAPES[character] ?? escapeOctal(character),
    );
  return `"${text}"`;
}

/** Git escapes the bytes of a character, not its code point. */
function escapeOctal(character: string): string {
  return Array.from(
    new TextEncoder().encode(character),
    (byte) => `\\${byte.toString(8).padStart(3, "0")}`,
  ).join("");
}

/**
 * Command that serves a local repository regardless of its owner. Git has no
 * other way to pass `safe.directory` to the server process.
 *
 * As git requires for repositories of other users, the server starts no program
 * that the repository configures. If objects are missing, it must not fetch
 * them from the repository's remotes.
 */
const UPLOAD_PACK =
  "GIT_ALLOW_PROTOCOL=none GIT_NO_LAZY_FETCH=1 git -c 'safe.directory=*' upload-pack";

/**
 * Returns the configuration that allows fetching from a local remote regardless
 * of its owner.
 *
 * @returns Settings of git; none if the remote is not local.
 */
export function ownerConfig(
  { isLocal }: GitUrl,
  remote = "origin",
): ConfigEntry[] {
  return isLocal ? [[`remote.${remote}.uploadpack`, UPLOAD_PACK]] : [];
}

/** Variables that are valid until they are disposed. */
export interface OwnerVariables extends AsyncDisposable {
  readonly variables: Readonly<Record<string, string>>;
}

/**
 * Makes git, and every git that it starts, accept repositories of all owners.
 * For submodules, this requires a configuration file.
 *
 * @param directory Absolute path of the directory in which the file is created.
 * @param env Environment that determines the location of the user's
 * configuration.
 * @param cwd Absolute path against which a relative path is resolved.
 * @returns Environment variables of git.
 */
export async function trustOwners(
  directory: string,
  env: Environment,
  cwd: string,
): Promise<OwnerVariables> {
  const path = await Deno.makeTempFile({ dir: directory, prefix: "global-" });
  const includes = listGlobalFiles(env).map((file) =>
    `[include]\n\tpath = ${quote(resolve(cwd, file))}\n`
  );
  await Deno.writeTextFile(
    path,
    `${includes.join("")}[safe]\n\tdirectory = *\n`,
  );
  return {
    variables: { GIT_CONFIG_GLOBAL: path, GIT_NO_LAZY_FETCH: "1" },
    [Symbol.asyncDispose]: () => Deno.remove(path),
  };
}

/** Lists the configuration files of the user in git's order. */
function listGlobalFiles(env: Environment): string[] {
  const { GIT_CONFIG_GLOBAL: file, XDG_CONFIG_HOME, HOME } = env;
  if (file !== undefined) return file === "" ? [] : [file];
  const configHome = XDG_CONFIG_HOME || (HOME ? `${HOME}/.config` : "");
  return [
    ...configHome === "" ? [] : [`${configHome}/git/config`],
    ...HOME ? [`${HOME}/.gitconfig`] : [],
  ];
}
