/**
 * Writes the HTML of all pages: templates that escape their values, documents
 * with a policy, signs of results, and the style.
 *
 * @module
 */
import type { StepRecord } from "../run_record.ts";
import { getResultMark, isAllowed } from "../step_outcome.ts";

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
      text + writeValue(values[index - 1]) + part
    ),
  );
}

/** Options for {@linkcode htmlDocument}. */
export interface HtmlDocumentOptions {
  /** Title. */
  title: string;
  /** Value of `Content-Security-Policy`: what a browser may load and run. */
  policy: string;
  /** Text of the only style. */
  style: string;
  /** Content. */
  main: Html;
  /**
   * Text of the only script.
   *
   * @default {no script}
   */
  script?: string;
}

/**
 * Writes an HTML document.
 *
 * @returns The document.
 */
export function htmlDocument(options: HtmlDocumentOptions): string {
  const { title, policy, style, main, script } = options;
  return `<!doctype html>\n${markup`
    <html lang="en">
      <head>
        <meta charset="utf-8">
        <meta http-equiv="Content-Security-Policy" content="${policy}">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>${title}</title>
        <style>${raw(style)}</style>
      </head>
      <body>
        <main>
    ${main}
        </main>
        ${
    script === undefined ? "" : raw(`<script type="module">${script}</script>`)
  }
      </body>
    </html>
  `}`;
}

/**
 * Returns the name of an inline style or script for a policy.
 *
 * @param text Text of a style or a script.
 * @returns The name, for a `Content-Security-Policy`.
 */
export async function sourceHash(text: string): Promise<string> {
  const bytes = new TextEncoder().encode(text);
  const hash = await crypto.subtle.digest("SHA-256", bytes);
  return `sha256-${new Uint8Array(hash).toBase64()}`;
}

/**
 * Writes a point in time.
 *
 * @param time Time in ISO 8601 format.
 */
export function timeHtml(time: string): Html {
  const text = time.replace("T", " ").replace(/(\.\d+)?Z$/, " UTC");
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

function writeValue(value: HtmlValue): string {
  if (value instanceof Html) return value.toString();
  if (typeof value === "object") return value.map(writeValue).join("");
  return escapeHtml(String(value));
}

/**
 * Text that needs no change. Most text does not, and the expressions below are
 * slow.
 */
const PLAIN_TEXT = /^[\t\n !#$%(-;=?-~]*$/;

function escapeHtml(text: string): string {
  if (PLAIN_TEXT.test(text)) return text;
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
    `<span class="mark" aria-hidden="true">${getResultMark(result)}</span>`,
  );
}

/** Replaces characters that a browser does not show, or that reverse text. */
export function withoutHidden(text: string): string {
  return text.toWellFormed().replace(/[^\P{C}\n\t]/gu, "\ufffd");
}

/** Style of the page of a run, for both color schemes, wide and narrow. */
export const STYLE: string = `
:root {
  --ground: #fff; --text: #1c2024; --muted: #5b6470; --line: #d8dde3;
  --panel: #f5f7f9; --success: #1a7f45; --failed: #c62f2f; --other: #5f6873;
  --queued: #aab5c2; --work: #7d8fd0; --flaky: #8a5a00; --accent: #2457c5;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14171a; --text: #e4e8ec; --muted: #a2acb7; --line: #333a42;
    --panel: #1d2126; --success: #4cc07c; --failed: #ff7b72; --other: #929ca7;
    --queued: #59646f; --work: #6f80c4; --flaky: #e0b050; --accent: #8fb2ff;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--ground); color: var(--text);
  font: 15px/1.5 system-ui, sans-serif;
}
main { max-width: 76rem; margin: 0 auto; padding: 1.5rem 1.25rem 4rem; }
h1 { display: flex; flex-wrap: wrap; align-items: center; gap: .25rem .75rem; font-size: 1.6rem; line-height: 1.25; margin: 0 0 .5rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 0 0 .75rem; }
section { margin-top: 2.25rem; scroll-margin-top: 1rem; }
p { margin: .25rem 0; }
a { color: var(--accent); }
code, pre { font: 13px/1.5 ui-monospace, monospace; }
code { overflow-wrap: anywhere; }
header { border-left: 6px solid var(--other); padding: .1rem 0 .1rem 1.1rem; }
header.success { border-color: var(--success); }
header.running { border-color: var(--accent); }
header.failed, header.timeout { border-color: var(--failed); }
.status {
  text-transform: uppercase; font-size: .8rem; letter-spacing: .06em; line-height: 1;
  padding: .4em .7em; border-radius: 99px; background: var(--other); color: var(--ground);
}
.success .status { background: var(--success); }
.running .status { background: var(--accent); }
.failed .status, .timeout .status { background: var(--failed); }
.counts { display: flex; flex-wrap: wrap; gap: .1rem 1.1rem; font-weight: 600; }
nav { display: flex; flex-wrap: wrap; gap: .1rem 1.1rem; margin-top: .5rem; font-size: .9rem; }
.error { color: var(--failed); font-size: 1.05rem; overflow-wrap: anywhere; }
.muted, .note, small { color: var(--muted); }
.muted b { color: var(--text); }
.note, small { font-size: .85rem; font-weight: normal; }
small { display: block; }
.mark { display: inline-block; width: 1em; margin-right: .3em; text-align: center; font-weight: 700; }
.failed, .timeout { color: var(--failed); }
.success, .neutral { color: var(--success); }
.running, .retrying { color: var(--accent); }
.waiting, .queued { color: var(--muted); }
.allowed { color: var(--flaky); }
.skipped, .cancelled { color: var(--other); }
header.success, header.failed, header.timeout, header.running, header.cancelled { color: inherit; }
.critical-path { overflow-wrap: anywhere; }
.critical-path span { white-space: normal; }
.critical-path small { display: inline; }
.critical-path i { color: var(--accent); font-style: normal; }
.legend { display: flex; flex-wrap: wrap; gap: .1rem 1.25rem; font-size: .85rem; color: var(--muted); }
.legend svg { vertical-align: -1px; }
table { border-collapse: collapse; width: 100%; table-layout: fixed; }
th, td {
  text-align: left; font-weight: normal; vertical-align: top;
  padding: .4rem .75rem .4rem 0; border-top: 1px solid var(--line);
  overflow-wrap: anywhere;
}
thead th { color: var(--muted); font-size: .85rem; border-top: 0; }
th:first-child { width: 26%; }
.comparison th:first-child { width: 24%; }
.comparison .bar { width: 34%; padding-right: 0; }
.bar .change { float: left; width: 4.5rem; font-variant-numeric: tabular-nums; }
.comparison .bar svg { width: calc(100% - 5rem); margin-left: 5rem; height: 12px; margin-top: .35rem; background: linear-gradient(var(--queued) 0 0) center / 1px 100% no-repeat, var(--panel); }
.number { text-align: right; width: 5rem; font-variant-numeric: tabular-nums; padding-right: 1rem; }
.ticks { display: grid; grid-template-columns: repeat(4, 1fr); font-variant-numeric: tabular-nums; }
.ticks span:nth-child(n + 4) { grid-area: 1 / 4; }
.ticks span:last-child { justify-self: end; }
.bar svg { display: block; width: 100%; height: 16px; margin-top: .25rem; overflow: visible; }
.bar svg, .overview {
  background: repeating-linear-gradient(to right, var(--line) 0 1px, transparent 1px 25%), var(--panel);
}
.overview { display: block; width: 100%; margin: .75rem 0 .1rem; }
.overview + .ticks { color: var(--muted); font-size: .85rem; margin-bottom: .75rem; }
.steps { margin-top: .5rem; }
.row {
  display: grid; grid-template-columns: minmax(0, 20fr) minmax(0, 27fr) 4.5rem minmax(0, 47fr);
  gap: 0 .75rem; padding: .4rem 0; border-top: 1px solid var(--line); overflow-wrap: anywhere;
}
.row.head { border-top: 0; color: var(--muted); font-size: .85rem; }
.row .number { width: auto; padding: 0; }
.name { font-weight: normal; padding-left: 1.1rem; }
.head > span:first-child { padding-left: 1.1rem; }
.name.critical { font-weight: 600; }
.work.row { color: var(--muted); }
details.step { border: 0; border-radius: 0; margin: 0; overflow: visible; }
details.step > summary { padding: .4rem 0; list-style: none; }
details.step > summary::-webkit-details-marker { display: none; }
details.step > summary:hover, .failure > summary:hover, .all > summary:hover { background: var(--panel); }
.step .name::before {
  content: ""; float: left; width: .4rem; height: .4rem; margin: .45em 0 0 -.95rem;
  border: solid var(--muted); border-width: 0 2px 2px 0; rotate: -45deg;
}
.step[open] .name::before { rotate: 45deg; }
.step > .body { margin: 0 0 .9rem 1.1rem; border-left: 2px solid var(--line); padding-left: .9rem; scroll-margin-top: 4rem; }
.step > .body:target { border-color: var(--accent); }
.step > .body p { padding: 0; margin: .1rem 0; }
.step > .body pre { margin: .3rem 0; border-radius: 6px; }
.step > .body:empty { display: none; }
.job { padding-left: 1.2rem; }
.job small { display: inline; }
.attempts { padding-left: 1.2rem; margin-bottom: .3rem; }
.all .step { content-visibility: auto; contain-intrinsic-size: auto 2.3rem; }
rect { fill: var(--other); }
rect.queued { fill: var(--queued); }
rect.work { fill: var(--work); }
rect.success, rect.neutral { fill: var(--success); }
rect.failed, rect.timeout { fill: var(--failed); }
rect.allowed { fill: var(--flaky); }
rect.running, rect.critical { fill: var(--accent); }
details { border: 1px solid var(--line); border-radius: 8px; margin: .6rem 0; overflow: hidden; }
details.failure { border-left: 4px solid var(--failed); }
summary { padding: .6rem .85rem; cursor: pointer; overflow-wrap: anywhere; }
summary:focus-visible { outline-offset: -2px; }
details p { padding: 0 .85rem .4rem; }
details.all > .steps { margin: 0 .85rem .5rem; }
pre {
  margin: 0; padding: .75rem .85rem; overflow: auto; max-height: 30rem;
  background: var(--panel); white-space: pre-wrap; overflow-wrap: anywhere;
}
pre + p { padding-top: .4rem; }
pre .dim { color: var(--muted); }
pre .inverse { background: var(--text); color: var(--ground); }
pre .bold { font-weight: 700; }
pre .italic { font-style: italic; }
pre .underlined { text-decoration: underline; }
pre .struck { text-decoration: line-through; }
pre .underlined.struck { text-decoration: underline line-through; }
.scroll { overflow-x: auto; }
.graph { display: block; }
.graph text { fill: var(--text); font: 12px system-ui, sans-serif; }
.graph .name { font-weight: 600; }
.graph .result { fill: var(--other); font-size: 11px; }
.graph .result.failed, .graph .result.timeout { fill: var(--failed); }
.graph .result.success, .graph .result.neutral { fill: var(--success); }
.graph .result.allowed { fill: var(--flaky); }
.graph .result.running { fill: var(--accent); }
.graph path { fill: none; stroke: var(--queued); stroke-width: 1.5; }
.graph path.on-path { stroke: var(--accent); stroke-width: 2.5; }
.graph rect.box { fill: var(--panel); stroke: var(--other); stroke-width: 1.5; }
.graph rect.box.on-path { stroke-width: 2.5; }
.graph rect.box.success, .graph rect.box.neutral { stroke: var(--success); }
.graph rect.box.failed, .graph rect.box.timeout { stroke: var(--failed); }
.graph rect.box.allowed { stroke: var(--flaky); }
.graph rect.box.running { stroke: var(--accent); }
.graph rect.box.skipped, .graph rect.box.cancelled, .graph rect.box.waiting { stroke-dasharray: 4 3; }
dl { display: grid; grid-template-columns: minmax(6rem, 12rem) 1fr; gap: .25rem 1rem; margin: 0; }
dt { color: var(--muted); } dd { margin: 0; overflow-wrap: anywhere; }
ol, ul { margin: 0; padding-left: 1.5rem; }
.slowest { padding: 0; list-style: none; }
.slowest li { display: grid; grid-template-columns: 1fr auto; padding: .3rem 0; overflow-wrap: anywhere; }
.slowest .number { padding: 0; }
.slowest svg { grid-column: 1 / -1; display: block; width: 100%; height: 5px; background: var(--panel); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
@media print {
  * { print-color-adjust: exact; }
  nav, .live { display: none; }
  main { padding: 0; max-width: none; }
  .failure, .step, section.half { break-inside: avoid; }
  .failure::details-content { content-visibility: visible; height: auto; }
  pre { max-height: none; }
  .graph { max-width: 100%; height: auto; }
}
@media (min-width: 56rem) {
  .graph.fits { max-width: 100%; height: auto; }
  .half { display: inline-block; width: calc(50% - 1.5rem); vertical-align: top; }
  .half + .half { margin-left: 2.5rem; }
}
@media (max-width: 40rem) {
  main { padding: 1rem 1rem 3rem; }
  h1 { font-size: 1.35rem; }
  thead { display: none; }
  tr { display: grid; grid-template-columns: 1fr auto; border-top: 1px solid var(--line); padding: .45rem 0; }
  th, td { border-top: 0; padding: 0 .5rem .1rem 0; width: auto; }
  th:first-child, .comparison th:first-child { width: auto; }
  td:nth-child(2) { grid-column: 1 / -1; }
  .number { width: auto; grid-row: 1; grid-column: 2; padding-right: 0; }
  .comparison .bar { grid-column: 1 / -1; width: auto; }
  .comparison .earlier { display: none; }
  .row { grid-template-columns: 1fr auto; }
  .row.head > :not(.ticks) { display: none; }
  .row.head > .ticks { grid-column: 1 / -1; padding-left: 1.1rem; }
  .row > :nth-child(2) { grid-row: 2; grid-column: 1 / -1; padding-left: 1.1rem; }
  .row > .bar { grid-column: 1 / -1; padding-left: 1.1rem; }
  .step > .body { margin-left: .2rem; }
  .bar svg { margin-top: .1rem; }
  dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .4rem; }
}
`;
