import { RunnerError } from "../errors.ts";
import type { Masker } from "./masker.ts";

/**
 * Masks secrets in an error that leaves the runner, since callers may print it
 * with its stack and causes.
 *
 * @returns The same error, changed in place if it is a `RunnerError`; a masked
 * copy of any other error that contains a secret.
 */
export function maskError(error: Error, masker: Masker): Error {
  return maskValue(error, masker, new Map()) as Error;
}

function maskValue(
  thrown: unknown,
  masker: Masker,
  seen: Map<unknown, unknown>,
): unknown {
  if (typeof thrown === "string") return masker.maskText(thrown);
  if (typeof thrown !== "object" || thrown === null) return thrown;
  const known = seen.get(thrown);
  if (known !== undefined) return known;
  if (!(thrown instanceof Error)) {
    const text = formatValue(thrown);
    const shown = masker.maskText(text);
    return shown === text ? thrown : shown;
  }
  const result = thrown instanceof RunnerError
    ? thrown
    : createEmptyCopy(thrown);
  // Before the causes, since an error can be its own cause.
  seen.set(thrown, result);
  let isChanged = false;
  for (const name of listProperties(thrown)) {
    const value: unknown = Reflect.get(thrown, name);
    const shown = name === "errors" && Array.isArray(value)
      ? value.map((one) => maskValue(one, masker, seen))
      : maskValue(value, masker, seen);
    isChanged ||= String(shown) !== String(value);
    Object.defineProperty(result, name, {
      value: shown,
      configurable: true,
      enumerable: Object.prototype.propertyIsEnumerable.call(thrown, name),
      writable: true,
    });
  }
  // `String()` of a masked cause may be the same.
  if (isChanged || result.cause !== thrown.cause) return result;
  seen.set(thrown, thrown);
  return thrown;
}

/**
 * Lists the properties of an error; those of a platform error are not own
 * properties.
 */
function listProperties(error: Error): Set<string> {
  return new Set([...Object.getOwnPropertyNames(error), "message", "stack"]);
}

/** Creates an empty error of the same class. */
function createEmptyCopy(error: Error): Error {
  const copy = new Error();
  // The getters of its prototype accept only genuine platform errors.
  if (error instanceof DOMException) {
    Object.defineProperty(copy, "name", { value: error.name });
  } else Object.setPrototypeOf(copy, Object.getPrototypeOf(error));
  return copy;
}

function formatValue(value: object): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    // The value is cyclic or not plain data.
    return String(value);
  }
}
