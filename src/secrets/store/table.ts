import { isObject } from "../../json.ts";

/** Secrets: values by key, by path. */
export type SecretTable = Map<string, Map<string, string>>;

/**
 * Reads secrets from the JSON that a store holds: `{path: {key: value}}`.
 *
 * Names that no reference can name are kept, since another program wrote them.
 *
 * @param bytes JSON as UTF-8.
 * @returns The secrets; `undefined` if it is anything else, wherever.
 */
export function parseTable(bytes: Uint8Array): SecretTable | undefined {
  let document: unknown;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    document = JSON.parse(text);
  } catch {
    // The error quotes the text, which is made of secrets: it ends here.
    return undefined;
  }
  if (!isObject(document)) return undefined;
  // Maps, since a key such as `__proto__` means nothing to them.
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
 * Writes secrets as the JSON that a store holds.
 *
 * @param table Secrets.
 * @returns JSON as UTF-8, indented by two spaces.
 */
export function formatTable(table: SecretTable): Uint8Array<ArrayBuffer> {
  const document = Object.fromEntries(
    [...table].map(([path, keys]) => [path, Object.fromEntries(keys)]),
  );
  return new TextEncoder().encode(JSON.stringify(document, null, 2));
}

/**
 * Puts secrets into a table, in the place of those of the same names.
 *
 * @param table Table.
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
