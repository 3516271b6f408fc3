import { showUrl } from "../shown_url.ts";
import type { InspectedPlugin } from "../plugins/inspect_plugin.ts";
import { grantOption } from "../plugins/rights/rights.ts";
import { printable } from "../printable.ts";

/**
 * Words what is known of a plugin.
 *
 * @param plugin What is known.
 * @param isTrusted Whether plugin files run in the runner's own process.
 * @returns Lines.
 */
export function pluginLines(
  plugin: InspectedPlugin,
  isTrusted: boolean,
): string[] {
  const { source, plugins, problem, rights, refused } = plugin;
  const heads = plugins.map(({ name, priority, phases }) =>
    `${name}  priority ${priority}  ${phases.join(", ") || "no phase"}`
  );
  const isAll = isTrusted && source.file !== undefined &&
    source.lockFile === undefined;
  const allowed = Object.entries(rights)
    .map(([kind, values = []]) => `  may ${kind}: ${values.join(", ")}`);
  const lines = [
    ...heads.length === 0 ? [source.name] : heads,
    `  from ${showUrl(source.origin)}`,
    ...problem === undefined ? [] : [`  cannot be loaded: ${problem}`],
    ...isAll
      ? ["  may do whatever the runner can: plugins are trusted"]
      : allowed.length === 0
      ? ["  may read and write nothing, and reach nobody"]
      : allowed,
    ...isAll
      ? []
      : refused.map(({ kind, value }) =>
        `  asks for ${kind}: ${value}; to allow it: ${
          grantOption(source.name, { kind, value })
        }`
      ),
  ];
  return lines.map(printable);
}
