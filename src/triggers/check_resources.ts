import { copyJson, plainEntries } from "./copy_json.ts";
import { quote } from "./printable.ts";
import type { JsonValue } from "./trigger.ts";

/** The only keys that the coordinator accepts. */
const AMOUNTS: ReadonlyMap<string, readonly string[]> = new Map([
  ["cpu", ["request", "limit"]],
  ["memory", ["limit"]],
]);

/** Looser than the coordinator, whose list of units may grow. */
const AMOUNT = /^[0-9]*\.?[0-9]+[A-Za-z]{0,3}$/;

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
  for (const [group, members] of plainEntries(copy, path)) {
    const keys = AMOUNTS.get(group);
    if (keys === undefined) {
      report(`${path} has the unknown key ${quote(group)}`);
      continue;
    }
    const place = `${path}.${group}`;
    for (const [key, amount] of plainEntries(members, place)) {
      if (!keys.includes(key)) {
        report(`${place} has the unknown key ${quote(key)}`);
      } else if (!isAmount(amount)) {
        report(`${place}.${key} must be an amount such as 2, "500m" or "4Gi"`);
      }
    }
  }
  return copy;
}

function isAmount(value: unknown): boolean {
  return typeof value === "number"
    ? value >= 0
    : typeof value === "string" && AMOUNT.test(value);
}
