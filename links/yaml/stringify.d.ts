/** Options for {@linkcode stringify}. */
export interface StringifyOptions {
  /** Columns per level. */
  indent?: number;
  /** Longest line, -1 for none. */
  lineWidth?: number;
  /** Which plain scalars would be read as other things than text. */
  schema?: "core" | "default" | "failsafe" | "json" | "extended";
  /** Leave out what cannot be written instead of throwing. */
  skipInvalid?: boolean;
  /** Sort the keys of objects. */
  sortKeys?: boolean | ((a: string, b: string) => number);
  /** Refer to an object that comes again instead of writing it in full. */
  useAnchors?: boolean;
}
/** Writes a value as YAML. */
export function stringify(data: unknown, options?: StringifyOptions): string;
