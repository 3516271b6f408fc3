import { shellWord } from "../../command_text.ts";
import { Variable } from "../../environment/variables.ts";
import type { PluginSource } from "../plugin_source.ts";
import { ALL_OF_CI_SOURCE } from "./grants.ts";
import type { PluginPermissions } from "./rights.ts";

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
