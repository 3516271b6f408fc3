import {
  CPU_PATTERN,
  CPU_WORDS,
  MEMORY_PATTERN,
  MEMORY_WORDS,
} from "../schema/amount.ts";
import { copyJson, plainEntries } from "./copy_json.ts";
import { quote } from "./printable.ts";
import type { JsonValue } from "./trigger.ts";

/** The only keys that the coordinator accepts, and their amounts. */
const GROUPS = new Map([
  ["cpu", {
    keys: ["request", "limit"],
    pattern: CPU_PATTERN,
    words: CPU_WORDS,
  }],
  ["memory", {
    keys: ["limit"],
    pattern: MEMORY_PATTERN,
    words: MEMORY_WORDS,
  }],
]);

/**
 * Checks what a job needs of the machine.
 *
 * @param value Value of unknown origin.
 * @param path Name of the field, for messages.
 * @param report Receives each problem.
 * @returns Copy of the value; worth nothing if a problem was reported.
 * @throws {TypeError} If the value is not plain JSON data.
 */
export function checkResources(
  value: unknown,
  path: string,
  report: (problem: string) => void,
): JsonValue {
  const copy = copyJson(value, path);
  for (const [name, members] of plainEntries(copy, path)) {
    const group = GROUPS.get(name);
    if (group === undefined) {
      report(
        `${path} has the unknown key ${quote(name)}; it takes cpu, memory`,
      );
      continue;
    }
    const place = `${path}.${name}`;
    for (const [key, amount] of plainEntries(members, place)) {
      if (!group.keys.includes(key)) {
        const known = group.keys.join(", ");
        report(`${place} has the unknown key ${quote(key)}; it takes ${known}`);
      } else if (!isAmount(amount, group.pattern)) {
        report(`${place}.${key} must be ${group.words}`);
      }
    }
  }
  return copy;
}

/** The coordinator trims the text. */
function isAmount(value: unknown, pattern: RegExp): boolean {
  return typeof value === "number"
    ? value >= 0 && value <= Number.MAX_SAFE_INTEGER
    : typeof value === "string" && pattern.test(value.trim());
}
