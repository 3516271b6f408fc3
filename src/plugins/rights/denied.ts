import { shellWord } from "../../command_text.ts";
import { listText } from "../../config/list.ts";
import { printable } from "../../printable.ts";
import type { RightKind } from "./rights.ts";

/** What a plugin wanted and may not have. */
export interface DeniedAccess {
  /** Kind of right that it lacks. */
  readonly kind: RightKind;
  /** What it wanted; `*` if Deno does not tell. */
  readonly value: string;
}

const KINDS = ["read", "write", "net", "env", "run", "sys", "import"] as const;

const REFUSAL = /Requires (\w+) access(?: to "?([^"\n]+?)"?)?, (?:run|specify)/;

/**
 * Finds out what Deno refused.
 *
 * @param message What Deno threw.
 * @returns What was refused; `undefined` if the message is about something else.
 */
export function deniedAccess(message: string): DeniedAccess | undefined {
  const [, word, value = "*"] = REFUSAL.exec(message) ?? [];
  const kind = KINDS.find((kind) => kind === word);
  return kind === undefined ? undefined : { kind, value };
}

/**
 * Explains what a plugin was refused, and how to allow it.
 *
 * @param plugin Name under which rights are granted to the plugin.
 * @param denied What it wanted.
 * @returns Text that can end a sentence.
 */
export function deniedText(plugin: string, denied: DeniedAccess): string {
  const { kind, value } = denied;
  const what = value === "*" ? "" : ` to "${printable(value)}"`;
  const list = printable(JSON.stringify([value]));
  return `it has no ${kind} access${what}; to allow it, name it in the manifest, ` +
    `permissions: { ${kind}: ${list} }, and grant it with ` +
    `${grantOption(plugin, denied)}, in a job file ` +
    `plugin_permissions: {${plugin}: {${kind}: ${list}}}`;
}

/**
 * Writes the option that grants a right, as it can be pasted into a shell:
 * its value comes from a plugin.
 *
 * @param plugin Name under which rights are granted to the plugin.
 * @param right The right.
 * @returns The option with its value.
 */
export function grantOption(
  plugin: string,
  { kind, value }: DeniedAccess,
): string {
  const grant = printable(`${plugin}:${kind}=${listText([value])}`);
  return `--allow-plugin ${shellWord(grant)}`;
}
