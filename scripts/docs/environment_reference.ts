import type { ConfigKey } from "../../src/config/config_key.ts";
import { CONFIG_KEYS } from "../../src/config/keys.ts";
import { code, plain, table } from "./markdown.ts";
import { usedVariables } from "./used_variables.ts";
import { OTHER_VARIABLES } from "./variables.ts";

/**
 * Writes the reference of the variables: those of the configuration, and
 * others.
 *
 * @returns Markdown.
 * @throws {Error} If the code knows a variable of which nothing is told.
 */
export async function environmentReference(): Promise<string> {
  const keys: readonly ConfigKey[] = CONFIG_KEYS;
  const configured = keys.filter(({ env }) => env !== undefined);
  await checkComplete(configured.map(({ env }) => env!));
  return [
    "## Configuration",
    table(
      ["Variable", "Option", "Default", "Meaning"],
      configured.map(({ env, flag, defaultValue, help }) => [
        code(env),
        flag === undefined ? "" : code(`--${flag}`),
        code(defaultValue),
        plain(help),
      ]),
    ),
    ...Object.entries(OTHER_VARIABLES).flatMap(([title, variables]) => [
      `## ${title}`,
      table(
        ["Variable", "Meaning"],
        Object.entries(variables).map(([name, text]) => [code(name), text]),
      ),
    ]),
  ].join("\n\n");
}

async function checkComplete(configured: readonly string[]): Promise<void> {
  const told = new Set([
    ...configured,
    ...Object.values(OTHER_VARIABLES).flatMap((it) => Object.keys(it)),
  ]);
  const missing = (await usedVariables()).filter((name) => !told.has(name));
  if (missing.length === 0) return;
  throw new Error(
    `Tell of ${missing.join(", ")} in scripts/docs/variables.ts`,
  );
}
