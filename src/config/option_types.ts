import { isObject } from "../json_value.ts";
import type { Option } from "../options/option.ts";

/**
 * Checks the type that a program gives the value of an option.
 *
 * @param name Name of the option, as the program writes it.
 * @throws {TypeError} If the value has no text form.
 */
export function checkOptionType(
  name: string,
  { type }: Option,
  value: unknown,
): void {
  const expected = expectedType(type, value);
  if (expected === undefined) return;
  if (type === "variables" && isObject(value)) {
    const [key, one] = Object.entries(value)
      .find(([, one]) => typeof one !== "string")!;
    throw new TypeError(
      `Cannot use option "${name}.${key}": it must be a string, not ${
        typeName(one)
      }`,
    );
  }
  throw new TypeError(
    `Cannot use option "${name}": it must be ${expected}, not ${
      typeName(value)
    }`,
  );
}

/**
 * Names the type of a value.
 *
 * @returns The type with its article.
 */
export function typeName(value: unknown): string {
  if (value === undefined || value === null) return String(value);
  if (Array.isArray(value)) return "an array";
  const type = typeof value;
  return type === "object" ? "an object" : `a ${type}`;
}

/** Returns the required type; `undefined` if the value has it. */
function expectedType(
  type: Option["type"],
  value: unknown,
): string | undefined {
  const isText = typeof value === "string";
  const isNumber = typeof value === "number" && Number.isFinite(value);
  if (typeof type === "object") {
    if ("choices" in type) {
      return isText
        ? undefined
        : `one of ${type.choices.map((one) => `"${one}"`).join(", ")}`;
    }
    return isText || isNumber ? undefined : "a number";
  }
  switch (type) {
    case "boolean":
      return isText || typeof value === "boolean" ? undefined : "a boolean";
    case "duration":
    case "timeLimit":
      return isText || isNumber ? undefined : "a number of milliseconds";
    case "command":
      return isText || isTexts(value)
        ? undefined
        : "a string or an array of strings";
    case "text":
    case "jobDirectory":
    case "jobFile":
    case "sourceType":
      return isText ? undefined : "a string";
    case "variables":
      return isText || isObject(value) &&
          Object.values(value).every((one) => typeof one === "string")
        ? undefined
        : "an object of strings";
    case "inheritance":
      return isText || typeof value === "boolean" || isTexts(value)
        ? undefined
        : "a boolean or an array of strings";
    case "secretProviders":
      return isText || isObject(value) ? undefined : "an object";
    case "pluginPermissions":
      return isObject(value) ? undefined : "an object";
    default:
      return isText || isTexts(value) ? undefined : "an array of strings";
  }
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}
