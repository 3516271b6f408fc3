/** A value that JSON can hold. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** Checks whether a value is a JSON object: neither `null` nor an array. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Checks whether a value is a whole number from 0 to a maximum. */
export function isCount(
  value: unknown,
  maximum: number = Number.MAX_SAFE_INTEGER,
): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 &&
    (value as number) <= maximum;
}

/**
 * Parses JSON. The built-in parser's error quotes the text, which may contain
 * secrets, so it is discarded.
 *
 * @returns The value; `undefined` if the text is not JSON.
 */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Checks whether JSON is nested too deeply for recursive functions, which would
 * overflow the stack.
 */
export function isDeeperThan(value: unknown, maxDepth: number): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > maxDepth) return true;
    level = level.flatMap((one) =>
      typeof one === "object" && one !== null ? Object.values(one) : []
    );
  }
  return false;
}

/**
 * Formats an item of `for_each` as the variable of a job.
 *
 * @returns Text as the coordinator writes it: a string unchanged, and all other
 * values as compact JSON with sorted keys.
 */
export function itemText(item: JsonValue): string {
  return typeof item === "string" ? item : goJson(item);
}

/**
 * Formats a value as the JSON of Go's standard library: with sorted keys, without
 * spaces, and with the characters escaped that could end a script in a web page.
 */
export function goJson(value: JsonValue): string {
  return JSON.stringify(sortKeys(value)).replace(
    /[<>&\u2028\u2029]/g,
    (character) =>
      `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function sortKeys(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => compareCodePoints(a, b))
      .map(([key, member]) => [key, sortKeys(member)]),
  );
}

/** Go sorts by the bytes of UTF-8, JavaScript by units of UTF-16. */
function compareCodePoints(a: string, b: string): number {
  const [left, right] = [[...a], [...b]];
  for (let at = 0; at < left.length && at < right.length; at++) {
    const order = left[at].codePointAt(0)! - right[at].codePointAt(0)!;
    if (order !== 0) return order;
  }
  return left.length - right.length;
}
