import { suggest } from "../suggest.ts";

const ENV = String.raw`\$\{env:[A-Za-z_]\w*\}`;

/**
 * A reference to a secret, whose parts may contain references to variables, or
 * a reference to a variable.
 */
const REFERENCE = String
  .raw`\$\{secret:((?:[\w/-]|${ENV})+):((?:[\w-]|${ENV})+)\}|${ENV}`;

/** Start of a reference, or of a shell expansion such as `${NAME:-word}`. */
const START = /\$\{([A-Za-z]\w*):(?![-=?+]|\s*-?\d)/g;

const KINDS = ["secret", "env"];

/**
 * Returns a regular expression that finds references.
 *
 * @returns Expression with the flag `g`; for a secret, it captures path and
 * key.
 */
export function referencePattern(): RegExp {
  return new RegExp(REFERENCE, "g");
}

/**
 * Returns a regular expression that finds references to variables.
 *
 * @returns Expression with the flag `g`.
 */
export function variablePattern(): RegExp {
  return new RegExp(ENV, "g");
}

/**
 * Explains why a reference in a text is malformed. The text may be a secret, so
 * the message repeats nothing of it.
 *
 * @param text Value of a variable.
 * @returns The problem, phrased to follow a name; `undefined` if there is none.
 */
export function referenceProblem(text: string): string | undefined {
  if (!text.includes("${")) return undefined;
  const rest = text.replace(referencePattern(), "");
  for (const [, kind] of rest.matchAll(START)) {
    const near = suggest(kind, KINDS);
    const meant = near !== undefined && kind.length > 2 &&
        Math.abs(near.length - kind.length) <= 1
      ? near
      : undefined;
    if (meant === "secret") {
      return kind === meant
        ? 'has a malformed reference: it must be ${secret:PATH:KEY}, where PATH consists of letters, digits, "_", "-" and "/", and KEY of letters, digits, "_" and "-"'
        : `has a malformed reference: unknown kind "${kind}"; did you mean \${secret:PATH:KEY}?`;
    }
    if (meant === "env") {
      return kind === meant
        ? "has a malformed reference: it must be ${env:NAME}, where NAME is the name of a variable"
        : `has a malformed reference: unknown kind "${kind}"; did you mean \${env:NAME}?`;
    }
  }
  return undefined;
}
