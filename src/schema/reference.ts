import { suggest } from "../suggest.ts";

const ENV = String.raw`\$\{env:[A-Za-z_]\w*\}`;

/** A reference to a secret in the store. */
const STORED = String
  .raw`\$\{secret:((?:[\w/-]|${ENV})+):((?:[\w-]|${ENV})+)\}`;

/** A reference to a secret of a provider. */
const PROVIDED = String
  .raw`\$\{secret:([A-Za-z][\w-]*):((?:[\w/.:@+=-]|${ENV})+):((?:[\w.-]|${ENV})+)\}`;

/**
 * A reference to a secret, whose path and key may contain references to
 * variables, or a reference to a variable.
 */
const REFERENCE = `${STORED}|${PROVIDED}|${ENV}`;

/** Start of a reference, or of a shell expansion such as `${NAME:-word}`. */
const START = /\$\{([A-Za-z]\w*):(?![-=?+]|\s*-?\d)/g;

const KINDS = ["secret", "env"];

/**
 * Returns a regular expression that finds references.
 *
 * @returns Expression with the flag `g`. It captures path and key of a secret
 * in the store; otherwise provider, path and key, if it is a secret.
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
        ? 'has a malformed reference: it must be ${secret:PATH:KEY}, where PATH consists of letters, digits, "_", "-" and "/", and KEY of letters, digits, "_" and "-", or ${secret:PROVIDER:PATH:KEY}, where PATH may also have ".", ":", "@", "+" and "=", and KEY "."'
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
