/** Options for {@linkcode promptSecret}. */
export interface PromptSecretOptions {
  /** Character that stands for each typed one; empty shows nothing. */
  mask?: string;
  /** Remove the prompt afterwards. */
  clear?: boolean;
}
/** Asks for a secret on the terminal; `null` when there is none. */
export function promptSecret(
  message?: string,
  options?: PromptSecretOptions,
): string | null;
