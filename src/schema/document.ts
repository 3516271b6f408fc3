import { parse } from "@std/yaml/parse";
import type { Problems } from "./problems.ts";
import { isObject } from "../json.ts";

/** Key that merges other mappings into its own. */
const MERGE = "<<";

type Mapping = Record<string, unknown>;

/** What {@linkcode resolveMergeKeys} hears from. */
export interface MergeKeysOptions {
  /** Counts a merged value; may throw. */
  count: () => void;
  /**
   * Called for each invalid merge key.
   *
   * @param path Keys and indexes from the document to the merge key.
   * @param problem What is wrong, phrased to follow the key.
   */
  report: (path: readonly (string | number)[], problem: string) => void;
}

/**
 * Resolves the merge keys (`<<`) of a parsed YAML document as PyYAML does: a
 * mapping, or a list of mappings, is merged into the mapping that contains the
 * key. Its own keys override merged ones, and earlier mappings of a list
 * override later ones.
 *
 * Values that aliases share stay shared, so the work is limited by the size of
 * the text and the number of merged keys.
 *
 * @param document Parsed document, which is not changed.
 * @returns Document without merge keys.
 */
export function resolveMergeKeys(
  document: unknown,
  options: MergeKeysOptions,
): unknown {
  const resolved = new Map<object, unknown>();
  /** Mappings whose merge keys are being resolved. */
  const open = new Set<object>();

  function resolve(
    value: unknown,
    path: readonly (string | number)[],
  ): unknown {
    if (typeof value !== "object" || value === null) return value;
    const known = resolved.get(value);
    if (known !== undefined) return known;
    const result: unknown[] | Mapping = Array.isArray(value) ? [] : {};
    // Must precede its members, since an alias may lead back here.
    resolved.set(value, result);
    if (Array.isArray(value)) {
      for (const [at, item] of value.entries()) {
        (result as unknown[]).push(resolve(item, [...path, at]));
      }
      return result;
    }
    open.add(value);
    if (Object.hasOwn(value, MERGE)) {
      merge(result as Mapping, (value as Mapping)[MERGE], [...path, MERGE]);
    }
    open.delete(value);
    for (const [key, member] of Object.entries(value)) {
      if (key !== MERGE) define(result, key, resolve(member, [...path, key]));
    }
    return result;
  }

  function merge(
    target: Mapping,
    source: unknown,
    path: readonly (string | number)[],
  ): void {
    const mappings = Array.isArray(source) ? source : [source];
    // In reverse order, so that earlier mappings override later ones.
    for (const [at, mapping] of [...mappings.entries()].reverse()) {
      const place = Array.isArray(source) ? [...path, at] : path;
      if (
        typeof mapping !== "object" || mapping === null ||
        Array.isArray(mapping)
      ) {
        options.report(place, "must be a mapping or a list of mappings");
      } else if (open.has(mapping)) {
        options.report(place, "must not merge a mapping into itself");
      } else {
        const resolvedMapping = resolve(mapping, place) as Mapping;
        for (const [key, member] of Object.entries(resolvedMapping)) {
          options.count();
          define(target, key, member);
        }
      }
    }
  }

  return resolve(document, []);
}

/** Defines an own property, so that `__proto__` is a key like any other. */
function define(target: object, key: string, value: unknown): void {
  Object.defineProperty(target, key, {
    value,
    configurable: true,
    enumerable: true,
    writable: true,
  });
}

/**
 * A value of a document, both as written and as parsed by YAML.
 *
 * All written scalars are strings; the parsed form only distinguishes a plain
 * `null` from a quoted one. Nodes are created while a schema reads the
 * document, so that nothing is read that no schema needs. Each node is counted,
 * since aliases can make a small file huge.
 */
export class DocumentNode {
  /** Key or index in the parent; `undefined` for the document. */
  readonly key: string | number | undefined;
  readonly #written: unknown;
  readonly #understood: unknown;
  readonly #parent: DocumentNode | undefined;
  readonly #problems: Problems;
  #items: DocumentNode[] | undefined;
  #entries: [string, DocumentNode][] | undefined;

  /**
   * @param written The value, in which all scalars are strings.
   * @param understood The value as parsed with the core schema of YAML.
   * @param problems Collects problems.
   * @param parent Parent node; `undefined` for the document.
   * @param key Key or index in the parent.
   */
  constructor(
    written: unknown,
    understood: unknown,
    problems: Problems,
    parent?: DocumentNode,
    key?: string | number,
  ) {
    this.#written = written;
    this.#understood = understood;
    this.#problems = problems;
    this.#parent = parent;
    this.key = key;
    problems.count(key, written);
  }

  /** Whether the value is missing or null. */
  get isNull(): boolean {
    return this.#understood === null || this.#written === null ||
      this.#written === undefined;
  }

  /** Text of a scalar; `undefined` for other values. */
  get text(): string | undefined {
    return typeof this.#written === "string" && !this.isNull
      ? this.#written
      : undefined;
  }

  /**
   * The value as parsed with the core schema of YAML, for values that become
   * JSON.
   */
  get value(): unknown {
    return this.#understood;
  }

  /** Items of a list; `undefined` for other values. */
  get items(): DocumentNode[] | undefined {
    if (!Array.isArray(this.#written)) return undefined;
    return this.#items ??= this.#written
      .map((item, at) => this.#child(at, item));
  }

  /** Entries of a mapping; `undefined` for other values. */
  get entries(): [string, DocumentNode][] | undefined {
    if (!isObject(this.#written)) return undefined;
    return this.#entries ??= Object.entries(this.#written)
      .map(([key, value]) => [key, this.#child(key, value)]);
  }

  /** Keys and indexes from the document to this node. */
  get path(): (string | number)[] {
    return this.#parent === undefined || this.key === undefined
      ? []
      : [...this.#parent.path, this.key];
  }

  /** Path of the node for messages, such as `steps[0].retry`. */
  get label(): string {
    return typeof this.key === "number"
      ? `${this.#parent?.label ?? ""}[${this.key}]`
      : this.prefix + brief(this.key ?? "");
  }

  /** Part of the {@linkcode label} before the key. */
  get prefix(): string {
    const above = this.#parent?.label ?? "";
    return above && `${above}.`;
  }

  /**
   * Reports a problem of this value.
   *
   * @param message What is wrong, phrased to follow the {@linkcode label}.
   */
  report(message: string): void {
    this.explain(() => `${this.label} ${message}`.trimStart());
  }

  /**
   * Reports a problem whose message is computed only when it is shown.
   *
   * @param message Returns the message, a complete sentence.
   * @param other Node whose position ends the message.
   */
  explain(message: () => string, other?: DocumentNode): void {
    this.#problems.add(this.path, message, other?.path);
  }

  /**
   * Reports something that does not make the file invalid.
   *
   * @param message Returns the message, a complete sentence.
   */
  warn(message: () => string): void {
    this.#problems.warn(this.path, message);
  }

  #child(key: string | number, written: unknown): DocumentNode {
    const above = this.#understood;
    const understood = typeof above === "object" && above !== null
      ? memberOf(above as Record<string | number, unknown>, key)
      : undefined;
    return new DocumentNode(written, understood, this.#problems, this, key);
  }
}

/** YAML also converts keys: `NULL` becomes `null`, and `0x1F` becomes 31. */
function memberOf(
  above: Record<string | number, unknown>,
  key: string | number,
): unknown {
  if (Object.hasOwn(above, key)) return above[key];
  const understood = String(parse(`${key}`, { schema: "core" }));
  return Object.hasOwn(above, understood) ? above[understood] : undefined;
}

/** Formats a key for a message: in one line and of limited length. */
function brief(key: string): string {
  const shown = JSON.stringify(key.slice(0, 100)).slice(1, -1);
  return key.length > 100 ? `${shown}…` : shown;
}
