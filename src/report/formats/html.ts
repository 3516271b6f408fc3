import { formatDuration } from "../durations.ts";
import { artifactLines } from "../record_text.ts";
import { type RunRecord, runStatus, type StepRecord } from "../run_record.ts";
import { hasFailed, isAllowed, isFlaky } from "../step_outcome.ts";
import { comparisonSection, totalChange } from "./html_comparison.ts";
import { graphSvg } from "./html_graph.ts";
import { colorRules } from "./html_output.ts";
import { pluginSection } from "./html_plugins.ts";
import { failureSection, problemSection } from "./html_problems.ts";
import { type StepsOptions, stepsSection } from "./html_steps.ts";
import { STYLE } from "./html_style.ts";
import {
  type Html,
  markHtml,
  markup,
  raw,
  resultClass,
  timeHtml,
} from "./html_text.ts";

/** Maximum number of slowest steps that are listed. */
const MAX_SLOWEST = 10;

/**
 * Writes a run as one page without scripts and network access.
 *
 * The policy of the page lets a browser load and run nothing, so that names and
 * lines of a hostile job remain text.
 *
 * @param record The run.
 * @param options The run with which it is compared, and those of its jobs.
 * @returns An HTML document.
 */
export async function htmlReport(
  record: RunRecord,
  { earlier, jobs }: Pick<RunHtmlOptions, "earlier" | "jobs"> = {},
): Promise<string> {
  const { top, html } = runHtml(record, { earlier, jobs });
  const main = markup`${top}${html}`;
  const style = STYLE + colorRules(String(main));
  const policy = `default-src 'none'; style-src '${await sourceHash(
    style,
  )}'; base-uri 'none'; form-action 'none'`;
  return htmlDocument({ title: recordTitle(record), policy, style, main });
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
 * Returns the title of the page of a run.
 *
 * @returns Name and status.
 */
export function recordTitle(record: RunRecord): string {
  return `${recordName(record)}: ${runStatus(record)}`;
}

function recordName({ started }: RunRecord): string {
  return started.name ?? started.kind;
}

/** Options for {@linkcode runHtml}. */
export interface RunHtmlOptions extends StepsOptions {
  /**
   * The run with which it is compared.
   *
   * @default {no comparison}
   */
  earlier?: RunRecord | undefined;
}

/**
 * Writes the page of a run.
 *
 * @param record The run, which may still be active.
 * @param options Additional options.
 * @returns The top of a page, and its sections.
 */
export function runHtml(
  record: RunRecord,
  options: RunHtmlOptions = {},
): { top: Html; html: Html } {
  const { steps, problems } = record;
  const { earlier } = options;
  const isWorkflow = record.started.kind === "workflow";
  const what = isWorkflow ? "jobs" : "steps";
  const parts:
    readonly (readonly [id: string, name: string, html: Html | ""])[] = [
      ["failures", "What failed", failureSection(steps, options)],
      ["problems", "Problems", problemSection(problems)],
      ["steps", isWorkflow ? "Jobs" : "Steps", stepsSection(record, options)],
      [
        "comparison",
        "Comparison",
        earlier === undefined ? "" : comparisonSection(earlier, record),
      ],
      ["graph", "Dependencies", graph(steps)],
      ["slowest", `Slowest ${what}`, slowest(steps, what)],
      ["plugins", "Plugins", pluginSection(record, options.jobs)],
      ["facts", "About this run", facts(record)],
    ];
  const shown = parts.filter(([, , html]) => html !== "");
  return {
    top: header(record, shown, earlier),
    html: markup`${shown.map(([, , html]) => html)}`,
  };
}

/** Explanations of some counts. */
const EXPLANATIONS: Readonly<Record<string, string | undefined>> = {
  "failed, allowed": "They may fail without failing the run",
  "flaky": "They succeeded only after a failed attempt",
  "skipped": "They did not run: their conditions did not hold",
  "cancelled": "They were ended, or did not start, because the run ended",
  "waiting": "They wait for others to end, or for a free slot",
};

function header(
  record: RunRecord,
  parts: readonly (readonly [id: string, name: string, html: Html | ""])[],
  earlier: RunRecord | undefined,
): Html {
  const { started, ended, lastMs, steps } = record;
  const count = (is: (step: StepRecord) => boolean) => steps.filter(is).length;
  const counts = [
    ["failed", "failed", count(hasFailed)],
    ["running", "running", count(({ state }) => state === "running")],
    ["allowed", "failed, allowed", count(isAllowed)],
    ["allowed", "flaky", count(isFlaky)],
    ["success", "succeeded", count(({ outcome }) => outcome === "success")],
    ["skipped", "skipped", count(({ outcome }) => outcome === "skipped")],
    [
      "cancelled",
      "cancelled",
      count(({ outcome, state }) => outcome === "cancelled" && !state),
    ],
    [
      "waiting",
      "waiting",
      count(({ state }) => state !== undefined && state !== "running"),
    ],
  ] as const;
  const status = runStatus(record);
  const time = formatDuration(ended?.durationMs ?? lastMs);
  return markup`<header class="${status}">
<h1><span class="status">${status}</span> ${recordName(record)}</h1>
${ended?.error === undefined ? "" : markup`<p class="error">${ended.error}</p>`}
<p class="counts">${
    counts.filter(([, , number]) => number > 0).map(([result, word, number]) =>
      markup`<span class="${result}"${
        EXPLANATIONS[word] === undefined
          ? ""
          : markup` title="${EXPLANATIONS[word]}"`
      }>${markHtml(result)}${number} ${word}</span> `
    )
  }</p>
<p class="muted"><b>${time}</b>${
    earlier === undefined ? "" : `, ${totalChange(earlier, record)}`
  } · started ${timeHtml(started.time)}${
    ended === undefined ? "" : markup` · exit code ${ended.exitCode}`
  }</p>
<nav aria-label="Sections">${
    parts.map(([id, name]) => markup`<a href="#${id}">${name}</a> `)
  }</nav>
</header>`;
}

function graph(steps: readonly StepRecord[]): Html | "" {
  const svg = graphSvg(steps);
  if (svg === undefined) return "";
  return markup`
    <section data-key="graph" aria-labelledby="graph">
      <h2 id="graph">Dependencies</h2>
      <div class="scroll" tabindex="0" role="group"
        aria-labelledby="graph">${svg}</div>
    </section>
  `;
}

function slowest(steps: readonly StepRecord[], what: string): Html | "" {
  const measured = steps.map((step, index) => ({ step, index }))
    .filter(({ step }) => step.startedAt !== null)
    .sort((a, b) => b.step.durationMs - a.step.durationMs)
    .slice(0, MAX_SLOWEST);
  if (measured.length < 2) return "";
  const longestMs = Math.max(1, measured[0].step.durationMs);
  return markup`
    <section data-key="slowest" aria-labelledby="slowest" class="half">
      <h2 id="slowest">Slowest ${what}</h2>
      <ol class="slowest">${
    measured.map(({ step, index }) =>
      markup`<li><a href="#step-${index}">${step.name}</a> <span class="number">${
        formatDuration(step.durationMs)
      }</span> <svg viewBox="0 0 1000 6" preserveAspectRatio="none" aria-hidden="true"><rect class="${
        resultClass(step)
      }" width="${
        Math.round(1_000 * step.durationMs / longestMs)
      }" height="6"/></svg></li>`
    )
  }</ol>
    </section>
  `;
}

function facts(record: RunRecord): Html {
  const { started, sources, options, triggers } = record;
  const rows: (readonly [string, string])[] = [
    ...sources.map(({ source, type, repository, ref, commit }) =>
      [
        source === "ci" ? "CI source" : "source",
        [repository ?? type, ref, commit].filter((part) => part).join(" · "),
      ] as const
    ),
    ...triggers.map((name) => ["follow-up job", name] as const),
    ...artifactLines(record),
    ["run", started.id],
    ["trace", started.trace.traceId],
    ["runnerlib", `${started.runner.version}, deno ${started.runner.deno}`],
    ...options.map(({ name, value, origin }) =>
      [name, `${value} (${origin})`] as const
    ),
  ];
  return markup`
    <section data-key="facts" aria-labelledby="facts">
      <h2 id="facts">About this run</h2>
      <dl>${
    rows.map(([name, value]) =>
      markup`
          <dt>${name}</dt>
          <dd>${value}</dd>
        `
    )
  }</dl>
    </section>
  `;
}
