import { RunnerError } from "../errors.ts";
import type { Masker } from "./masker.ts";

/**
 * Masks secrets in an error that leaves the runner, since callers may print it
 * with its stack and causes.
 *
 * @returns The same error, changed in place if it is a `RunnerError`; a masked
 * copy of any other error that contains a secret.
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
  // Before the causes, since an error can be its own cause.
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

/**
 * Checks whether the cause was replaced; a `RunnerError` is changed in place.
 */
function hasChanged({ cause }: Error, result: Error): boolean {
  return result.cause !== cause;
}

/**
 * Lists the properties of an error; those of a platform error are not own
 * properties.
 */
function namesOf(error: Error): Set<string> {
  return new Set([...Object.getOwnPropertyNames(error), "message", "stack"]);
}

/** Creates an empty error of the same class. */
function copyOf(error: Error): Error {
  const copy = new Error();
  // The getters of its prototype accept only genuine platform errors.
  if (error instanceof DOMException) {
    Object.defineProperty(copy, "name", { value: error.name });
  } else Object.setPrototypeOf(copy, Object.getPrototypeOf(error));
  return copy;
}

function textOf(value: object): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    // The value is cyclic or not plain data.
    return String(value);
  }
}
