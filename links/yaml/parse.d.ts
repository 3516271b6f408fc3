/** Options for {@linkcode parse}. */
export interface ParseOptions {
  /** Let a repeated key replace the earlier one. */
  allowDuplicateKeys?: boolean;
  /** Called with each warning. */
  onWarning?: (error: Error) => void;
  /** Which plain scalars become other things than text. */
  schema?: "core" | "default" | "failsafe" | "json" | "extended";
}
/** Parses one YAML document. */
export function parse(content: string, options?: ParseOptions): unknown;
/** Parses every document of a YAML text. */
export function parseAll(content: string, options?: ParseOptions): unknown;
