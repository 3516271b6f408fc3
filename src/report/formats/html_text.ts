/** Text that is HTML already. */
export class Html {
  readonly #text: string;

  /** Wraps text that needs no escaping. */
  constructor(text: string) {
    this.#text = text;
  }

  /** The HTML. */
  toString(): string {
    return this.#text;
  }
}

/**
 * A value in a template. Text is escaped, and the items of a list are joined.
 */
export type HtmlValue = Html | string | number | readonly HtmlValue[];

/**
 * Writes HTML from a template. Every value that is not already HTML is escaped
 * for the text of an element or a quoted attribute.
 *
 * @param parts Literal parts of the template.
 * @param values Values between them.
 * @returns HTML.
 */
export function markup(
  parts: TemplateStringsArray,
  ...values: readonly HtmlValue[]
): Html {
  return new Html(
    parts.reduce((text, part, index) =>
      text + written(values[index - 1]) + part
    ),
  );
}

/**
 * Marks text as HTML.
 *
 * @param text HTML that the runner wrote itself.
 * @returns The HTML.
 */
export function raw(text: string): Html {
  return new Html(text);
}

function written(value: HtmlValue): string {
  if (value instanceof Html) return value.toString();
  if (typeof value === "object") return value.map(written).join("");
  return escape(String(value));
}

/**
 * Text that needs no change. Most text does not, and the expressions below are
 * slow.
 */
const PLAIN = /^[\t\n !#$%(-;=?-~]*$/;

function escape(text: string): string {
  if (PLAIN.test(text)) return text;
  return text.toWellFormed()
    // Characters that a browser does not show, or that reverse text.
    .replace(/[^\P{C}\n\t]/gu, "\ufffd")
    .replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
