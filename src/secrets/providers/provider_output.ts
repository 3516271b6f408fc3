import { isObject } from "../../json_value.ts";

/** Output of a provider for a path. */
export type SecretDocument =
  | { readonly text: string }
  | {
    readonly bytes: Uint8Array;
    readonly format: "text" | "json" | "git" | "docker";
    /** Keys that lead to the object with the secrets. */
    readonly jsonPath: readonly string[];
  };

/**
 * Returns a secret from the output of a provider. An error never quotes the
 * output.
 *
 * @param key Key of the secret.
 * @throws {TypeError} If there is none, with the reason.
 */
export function readSecret(document: SecretDocument, key: string): string {
  const value = "text" in document ? document.text : readValue(document, key);
  if (value === "") throw new TypeError("the secret is empty");
  // A variable cannot contain it.
  if (value.includes("\0")) {
    throw new TypeError("the secret contains a NUL character");
  }
  return value;
}

function readValue(
  { bytes, format, jsonPath }: Extract<SecretDocument, { bytes: unknown }>,
  key: string,
): string {
  const text = decode(bytes);
  if (text.trim() === "") throw new TypeError("its output is empty");
  switch (format) {
    case "text":
      return text.replace(/\r?\n$/, "");
    case "json":
      return readMember(text, jsonPath, key);
    case "git":
      return findLine(text, key);
    case "docker":
      return readMember(text, [], key === "secret" ? "Secret" : "Username");
  }
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
      .decode(bytes);
  } catch {
    throw new TypeError("its output is not UTF-8 text");
  }
}

function readMember(
  text: string,
  jsonPath: readonly string[],
  key: string,
): string {
  let value = parseJson(text);
  for (const name of jsonPath) value = getOwn(value, name);
  const found = getOwn(value, key);
  switch (typeof found) {
    case "string":
      return found;
    case "boolean":
      return String(found);
    case "number":
      if (Number.isSafeInteger(found)) return String(found);
      throw new TypeError(
        `the value of ${
          JSON.stringify(key)
        } is a number that may not be exact; the provider must return a string`,
      );
    default:
      throw new TypeError(
        `the value of ${JSON.stringify(key)} is not a string`,
      );
  }
}

function getOwn(value: unknown, key: string): unknown {
  if (!isObject(value)) throw new TypeError("its output is not a JSON object");
  if (Object.hasOwn(value, key)) return value[key];
  throw new TypeError(`its output has no key ${JSON.stringify(key)}`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The error quotes the text.
    throw new TypeError("its output is not valid JSON");
  }
}

/** Finds a line `KEY=VALUE` in the output of git. */
function findLine(text: string, key: string): string {
  const found = text.split("\n").find((one) => one.startsWith(`${key}=`));
  if (found !== undefined) return found.slice(key.length + 1);
  throw new TypeError(`its output has no key ${JSON.stringify(key)}`);
}
