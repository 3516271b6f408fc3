/** Options for {@linkcode stringify}. */
export interface StringifyOptions {
  /** Columns per level. */
  indent?: number;
  /** Longest line, -1 for none. */
  lineWidth?: number;
  /** Leave out what cannot be written instead of throwing. */
  skipInvalid?: boolean;
  /** Write repeated objects in full. */
  useAnchors?: boolean;
}
/** Writes a value as YAML. */
export function stringify(data: unknown, options?: StringifyOptions): string;
