import { isObject } from "../../json.ts";
import { parse } from "@std/yaml/parse";
import type { Problems } from "./problems.ts";

/**
 * A value of a job file, as it is written and as YAML understands it.
 *
 * Every scalar is text; the understood form only tells a plain `null` from a
 * quoted one. Nodes are made on the way down, so that nothing is read of what
 * no definition asks for, and each one counts: aliases can make a small file
 * large.
 */
export class DocumentNode {
  /** Key or index in the node above; `undefined` for the document. */
  readonly key: string | number | undefined;
  readonly #written: unknown;
  readonly #understood: unknown;
  readonly #parent: DocumentNode | undefined;
  readonly #problems: Problems;
  #items: DocumentNode[] | undefined;
  #entries: [string, DocumentNode][] | undefined;

  /**
   * Makes a node.
   *
   * @param written The value with every scalar as text.
   * @param understood The value as the core schema of YAML understands it.
   * @param problems Gathers what is wrong.
   * @param parent Node above; none for the document.
   * @param key Key or index in the node above.
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

  /** Whether the file says nothing here. */
  get isNothing(): boolean {
    return this.#understood === null || this.#written === null ||
      this.#written === undefined;
  }

  /** Text of a scalar; `undefined` if it is none. */
  get text(): string | undefined {
    return typeof this.#written === "string" && !this.isNothing
      ? this.#written
      : undefined;
  }

  /** The value as the core schema of YAML understands it: for what becomes JSON. */
  get value(): unknown {
    return this.#understood;
  }

  /** Members of a list; `undefined` if it is none. */
  get items(): DocumentNode[] | undefined {
    if (!Array.isArray(this.#written)) return undefined;
    return this.#items ??= this.#written
      .map((item, at) => this.#child(at, item));
  }

  /** Members of a mapping; `undefined` if it is none. */
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

  /** Where the node is, for messages: `steps[0].retry`. */
  get label(): string {
    return typeof this.key === "number"
      ? `${this.#parent?.label ?? ""}[${this.key}]`
      : this.prefix + brief(this.key ?? "");
  }

  /** What stands before the key in the {@linkcode label}. */
  get prefix(): string {
    const above = this.#parent?.label ?? "";
    return above && `${above}.`;
  }

  /**
   * Reports a problem of this value.
   *
   * @param message What is wrong, worded to follow the {@linkcode label}.
   */
  report(message: string): void {
    this.explain(() => `${this.label} ${message}`.trimStart());
  }

  /**
   * Reports a problem whose wording is worth work only when it is told.
   *
   * @param message Words what is wrong, as a whole sentence.
   * @param other Place that the message ends with, if there is one.
   */
  explain(message: () => string, other?: DocumentNode): void {
    this.#problems.add(this.path, message, other?.path);
  }

  /**
   * Reports what does not keep the file from being used.
   *
   * @param message Words what is wrong, as a whole sentence.
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

/** YAML understands keys as well: `NULL` becomes `null`, and `0x1F` becomes 31. */
function memberOf(
  above: Record<string | number, unknown>,
  key: string | number,
): unknown {
  if (Object.hasOwn(above, key)) return above[key];
  const understood = String(parse(`${key}`, { schema: "core" }));
  return Object.hasOwn(above, understood) ? above[understood] : undefined;
}

/** A key as a message can show it: in one line, and not at any length. */
function brief(key: string): string {
  const shown = JSON.stringify(key.slice(0, 100)).slice(1, -1);
  return key.length > 100 ? `${shown}…` : shown;
}
