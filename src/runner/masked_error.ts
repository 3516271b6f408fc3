import { RunnerError } from "../errors.ts";
import type { Masker } from "../secrets/masker.ts";

/**
 * Takes the secrets out of an error that leaves the runner: its catcher may
 * print all of it, its stack and its causes included.
 *
 * @param error The error.
 * @param masker Masker.
 * @returns The error itself, changed if it is one of the runner; a copy of any
 * other one that holds a secret.
 */
export function maskedError(error: Error, masker: Masker): Error {
  return masked(error, masker, new Map()) as Error;
}

function masked(
  thrown: unknown,
  masker: Masker,
  seen: Map<unknown, unknown>,
): unknown {
  if (typeof thrown === "string") return masker.maskText(thrown);
  if (typeof thrown !== "object" || thrown === null) return thrown;
  const known = seen.get(thrown);
  if (known !== undefined) return known;
  if (!(thrown instanceof Error)) {
    const text = textOf(thrown);
    const shown = masker.maskText(text);
    return shown === text ? thrown : shown;
  }
  const result = thrown instanceof RunnerError ? thrown : copyOf(thrown);
  // Before its causes are: one of them may be the error itself.
  seen.set(thrown, result);
  let isChanged = false;
  for (const name of namesOf(thrown)) {
    const value: unknown = Reflect.get(thrown, name);
    const shown = name === "errors" && Array.isArray(value)
      ? value.map((one) => masked(one, masker, seen))
      : masked(value, masker, seen);
    isChanged ||= String(shown) !== String(value);
    Object.defineProperty(result, name, {
      value: shown,
      configurable: true,
      enumerable: Object.prototype.propertyIsEnumerable.call(thrown, name),
      writable: true,
    });
  }
  if (isChanged || hasChanged(thrown, result)) return result;
  seen.set(thrown, thrown);
  return thrown;
}

/** Whether a cause was replaced; one of the runner is changed in its place. */
function hasChanged({ cause }: Error, result: Error): boolean {
  return result.cause !== cause;
}

/** The properties of a platform error are not its own. */
function namesOf(error: Error): Set<string> {
  return new Set([...Object.getOwnPropertyNames(error), "message", "stack"]);
}

/** Creates an empty error of the same class. */
function copyOf(error: Error): Error {
  const copy = new Error();
  // That of a platform error would ask for its own kind of object.
  if (error instanceof DOMException) {
    Object.defineProperty(copy, "name", { value: error.name });
  } else Object.setPrototypeOf(copy, Object.getPrototypeOf(error));
  return copy;
}

function textOf(value: object): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    // It is cyclic, or not plain data.
    return String(value);
  }
}
