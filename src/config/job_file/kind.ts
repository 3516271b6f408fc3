import type { DocumentNode } from "./node.ts";

/** A JSON Schema of draft 7. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/**
 * What a value of a job file may be: how an editor judges it, and how it is
 * read. The two stand side by side so that they agree.
 */
export interface Kind<T> {
  /**
   * Describes the values that are accepted; a number or a flag stands for its
   * text. Most readers never ask for it.
   *
   * @returns Schema.
   */
  schema(): JsonSchema;
  /** Value when the file names the key and says nothing, if that means something. */
  readonly nothing?: T;
  /**
   * Reads a value and reports what is wrong with it.
   *
   * @param node The value, which is not nothing.
   * @returns What it means; of no worth if a problem was reported.
   */
  read(node: DocumentNode): T | undefined;
}

/** Kinds of a value by its shape. */
export interface Shapes<T> {
  /** For a text, a number or a flag. */
  readonly scalar?: Kind<T>;
  /** For a list. */
  readonly list?: Kind<T>;
  /** For a mapping. */
  readonly mapping?: Kind<T>;
}

/**
 * Makes a kind of values that are of another kind for each shape.
 *
 * @param expected What is expected, worded to follow "must".
 * @param shapes Kinds.
 * @returns The kind.
 */
export function byShape<T>(expected: string, shapes: Shapes<T>): Kind<T> {
  return {
    schema: () => ({
      anyOf: Object.values(shapes).map((kind: Kind<T>) => kind.schema()),
    }),
    read(node) {
      const kind = node.text !== undefined
        ? shapes.scalar
        : node.items
        ? shapes.list
        : shapes.mapping;
      return kind ? kind.read(node) : void node.report(`must ${expected}`);
    },
  };
}

/**
 * Makes a kind that means something else than what is written.
 *
 * @param kind Kind of what is written.
 * @param convert Tells what a value means; may report problems.
 * @returns The kind.
 */
export function mapped<T, U>(
  kind: Kind<T>,
  convert: (value: T, node: DocumentNode) => U | undefined,
): Kind<U> {
  return {
    schema: kind.schema,
    read(node) {
      const value = kind.read(node);
      return value === undefined ? undefined : convert(value, node);
    },
  };
}

/** Kind of what somebody else reads. */
export const anything: Kind<unknown> = {
  schema: () => ({}),
  read: () => undefined,
};
