import { isObject } from "../../json_value.ts";

/** Values of secrets, by path and key. */
export type SecretTable = Map<string, Map<string, string>>;

/**
 * Parses the JSON content of a store: `{path: {key: value}}`.
 *
 * Names that references cannot express are kept, because another program wrote
 * them.
 *
 * @param bytes JSON as UTF-8.
 * @returns The secrets; `undefined` if the content does not have this form.
 */
export function parseTable(bytes: Uint8Array): SecretTable | undefined {
  let document: unknown;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    document = JSON.parse(text);
  } catch {
    // The error is dropped because its message quotes secrets.
    return undefined;
  }
  if (!isObject(document)) return undefined;
  // Maps, because keys such as `__proto__` are safe in them.
  const table: SecretTable = new Map();
  for (const [path, keys] of Object.entries(document)) {
    if (!isObject(keys)) return undefined;
    const values = Object.entries(keys);
    if (!values.every(isTextEntry)) return undefined;
    table.set(path, new Map(values));
  }
  return table;
}

/**
 * Formats secrets as the JSON content of a store.
 *
 * @returns JSON as UTF-8, indented by two spaces.
 */
export function formatTable(table: SecretTable): Uint8Array<ArrayBuffer> {
  const document = Object.fromEntries(
    [...table].map(([path, keys]) => [path, Object.fromEntries(keys)]),
  );
  return new TextEncoder().encode(JSON.stringify(document, null, 2));
}

/**
 * Adds secrets to a table; existing ones of the same name are replaced.
 *
 * @param path Path of the secrets.
 * @param secrets Keys and values.
 */
export function addSecrets(
  table: SecretTable,
  path: string,
  secrets: Iterable<readonly [key: string, value: string]>,
): void {
  const keys = table.get(path) ?? new Map<string, string>();
  for (const [key, value] of secrets) keys.set(key, value);
  if (keys.size > 0) table.set(path, keys);
}

function isTextEntry(entry: [string, unknown]): entry is [string, string] {
  return typeof entry[1] === "string";
}
