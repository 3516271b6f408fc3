import { Variable } from "../environment/variables.ts";
import { RunnerError } from "../errors.ts";
import type { Masker } from "../secrets/masker.ts";
import type { TriggerDocument } from "./document.ts";

/** Longest line that no collector of logs cuts or refuses, in bytes. */
const LONGEST_LINE_BYTES = 60_000;

/** Options for {@linkcode triggerMessage}. */
export interface TriggerMessageOptions {
  /** Environment of the runner, with the nonce. */
  readonly env: Readonly<Record<string, string>>;
  /** Knows what must not be printed. */
  readonly masker: Masker;
}

/**
 * Writes a document as the line that a worker watches for.
 *
 * The line is the document with one more key: `nonce`, the word that only the
 * worker and the runner know, so that nothing that a step prints passes for it.
 *
 * @param document Document.
 * @param options Nonce and secrets.
 * @returns The line, with a line feed at its end.
 * @throws {RunnerError} `invalid-config`, if there is no nonce;
 * `invalid-trigger`, if the line would be too long or tell a secret.
 */
export function triggerMessage(
  document: TriggerDocument,
  { env, masker }: TriggerMessageOptions,
): string {
  const nonce = nonceOf(env);
  if (masker.holdsSecret(JSON.stringify(document))) {
    throw refused("they hold a secret, which logs must not show");
  }
  const { type, ...rest } = document;
  const line = JSON.stringify({ type, nonce, ...rest });
  if (new TextEncoder().encode(line).length >= LONGEST_LINE_BYTES) {
    throw refused(`the line would exceed ${LONGEST_LINE_BYTES} bytes`);
  }
  return `${line}\n`;
}

/**
 * Finds the word that messages for the worker must hold.
 *
 * @param env Environment of the runner.
 * @returns The nonce.
 * @throws {RunnerError} `invalid-config`, if the worker gave none.
 */
export function nonceOf(env: Readonly<Record<string, string>>): string {
  const nonce = env[Variable.triggerNonce];
  if (nonce) return nonce;
  throw new RunnerError(
    `Cannot use trigger transport "stdout": ${Variable.triggerNonce} is not set`,
    { code: "invalid-config" },
  );
}

function refused(state: string): RunnerError {
  return new RunnerError(`Cannot print triggers: ${state}`, {
    code: "invalid-trigger",
  });
}
