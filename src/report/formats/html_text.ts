import type { StepRecord } from "../run_record.ts";
import { isAllowed, resultMark } from "../step_outcome.ts";

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
 * Writes a point in time.
 *
 * @param time Time in ISO 8601 format.
 */
export function timeHtml(time: string): Html {
  const text = time.replace("T", " ").replace(/\.\d+Z$/, " UTC");
  return markup`<time datetime="${time}">${text}</time>`;
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
  return withoutHidden(text)
    .replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/**
 * Returns the result of a step, as a class of the page's style.
 *
 * @returns Its outcome or state, or `allowed` if its failure is allowed.
 */
export function resultClass(step: StepRecord): string {
  return step.state ?? (isAllowed(step) ? "allowed" : step.outcome);
}

/**
 * Writes the sign of a result in its color.
 *
 * @param result A result; another text gets a dash.
 * @returns HTML that screen readers skip.
 */
export function markHtml(result: string): Html {
  return raw(
    `<span class="mark" aria-hidden="true">${resultMark(result)}</span>`,
  );
}

/** Replaces characters that a browser does not show, or that reverse text. */
export function withoutHidden(text: string): string {
  return text.toWellFormed().replace(/[^\P{C}\n\t]/gu, "\ufffd");
}
