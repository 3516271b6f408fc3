import type { Settings } from "../../config/settings.ts";

/** Programs that types of sources are fetched with. */
const CLIENTS: Readonly<Record<string, string>> = {
  git: "git",
  hg: "hg",
  svn: "svn",
};

/** Endings of archives, and the programs that unpack them. */
const UNPACKERS: readonly (readonly [RegExp, string])[] = [
  [/\.(?:tar\.gz|tgz)$/, "gzip"],
  [/\.(?:tar\.bz2|tbz2?)$/, "bzip2"],
  [/\.(?:tar\.xz|txz)$/, "xz"],
  [/\.(?:tar\.zst|tzst)$/, "zstd"],
];

/** What the needs of a job depend on. */
export interface NeedsSetting {
  /** The configuration of the job. */
  readonly settings: Settings;
  /** Whether the runner is a compiled program. */
  readonly isStandalone: boolean;
}

/**
 * Returns which programs a job with this configuration cannot do without.
 *
 * @param setting What the needs depend on.
 * @returns Names of programs.
 */
export function neededPrograms(
  { settings, isStandalone }: NeedsSetting,
): Set<string> {
  const needed = new Set(["sh"]);
  for (const source of ["source", "ci_source"] as const) {
    const type = textOf(settings, `${source}_type`);
    if (Object.hasOwn(CLIENTS, type)) needed.add(CLIENTS[type]);
    if (type !== "tarball") continue;
    const url = textOf(settings, `${source}_url`).replace(/[?#].*$/, "");
    for (const [ending, program] of UNPACKERS) {
      if (ending.test(url)) needed.add(program);
    }
  }
  const hasPlugins = textOf(settings, "plugin_dir") !== "" &&
    !settings.isOn("trust_plugins");
  if (isStandalone && hasPlugins) needed.add("deno");
  return needed;
}

function textOf(
  settings: Settings,
  name: Parameters<Settings["get"]>[0],
): string {
  const value = settings.get(name)?.value;
  return typeof value === "string" ? value : "";
}
