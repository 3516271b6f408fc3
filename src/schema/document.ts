import { isObject } from "../json_value.ts";

/** Receives the problems of nodes. */
export interface NodeReports {
  /**
   * Counts a value against the limits of a document; may throw.
   *
   * @param texts Its key and its text, if any.
   */
  count(...texts: unknown[]): void;
  /**
   * Adds a problem that makes the document invalid.
   *
   * @param message Returns the message, a complete sentence.
   * @param other Node whose position ends the message.
   */
  add(path: NodePath, message: () => string, other?: NodePath): void;
  /**
   * Adds a problem that does not make the document invalid.
   *
   * @param message Returns the message, a complete sentence.
   */
  warn(path: NodePath, message: () => string): void;
  /**
   * Converts a key as YAML does: `NULL` becomes `null`, and `0x1F` becomes 31.
   */
  parseKey?(key: string): string;
}

/** Keys and indexes from a document to a value. */
export type NodePath = readonly (string | number)[];

/**
 * A value of a document, both as written and as parsed by YAML or JSON.
 *
 * In YAML, all written scalars are strings; the parsed form only distinguishes a plain
 * `null` from a quoted one. Nodes are created while a schema reads the
 * document, so that nothing is read that no schema needs. Each node is counted,
 * since aliases can make a small file huge.
 */
export class DocumentNode {
  /** Key or index in the parent; `undefined` for the document. */
  readonly key: string | number | undefined;
  readonly #written: unknown;
  readonly #parsed: unknown;
  readonly #parent: DocumentNode | undefined;
  readonly #reports: NodeReports;
  #items: DocumentNode[] | undefined;
  #entries: [string, DocumentNode][] | undefined;

  /**
   * @param written The value, in which all scalars are strings.
   * @param parsed The value as parsed with the core schema of YAML.
   * @param reports Collects problems.
   * @param parent Parent node; `undefined` for the document.
   * @param key Key or index in the parent.
   */
  constructor(
    written: unknown,
    parsed: unknown,
    reports: NodeReports,
    parent?: DocumentNode,
    key?: string | number,
  ) {
    this.#written = written;
    this.#parsed = parsed;
    this.#reports = reports;
    this.#parent = parent;
    this.key = key;
    reports.count(key, written);
  }

  /** Whether the value is missing or null. */
  get isNull(): boolean {
    return this.#parsed === null || this.#written === null ||
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
    return this.#parsed;
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
      : this.prefix + shownKey(this.key ?? "");
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
    this.#reports.add(this.path, message, other?.path);
  }

  /**
   * Reports a warning, which does not make the file invalid.
   *
   * @param message Returns the message, a complete sentence.
   */
  warn(message: () => string): void {
    this.#reports.warn(this.path, message);
  }

  #child(key: string | number, written: unknown): DocumentNode {
    const above = this.#parsed;
    const parsed = typeof above === "object" && above !== null
      ? this.#findMember(above as Record<string | number, unknown>, key)
      : undefined;
    return new DocumentNode(written, parsed, this.#reports, this, key);
  }

  #findMember(
    above: Record<string | number, unknown>,
    key: string | number,
  ): unknown {
    if (Object.hasOwn(above, key)) return above[key];
    const parsed = this.#reports.parseKey?.(`${key}`);
    return parsed !== undefined && Object.hasOwn(above, parsed)
      ? above[parsed]
      : undefined;
  }
}

/**
 * Formats a key for a message: in one line and of limited length.
 */
export function shownKey(key: string): string {
  const shown = JSON.stringify(key.slice(0, 100)).slice(1, -1);
  return key.length > 100 ? `${shown}…` : shown;
}
