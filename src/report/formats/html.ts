import { criticalPath } from "../critical_path.ts";
import { type RunRecord, runStatus, type StepRecord } from "../run_record.ts";
import {
  endingOf,
  formatDuration,
  hasFailed,
  isAllowed,
  isFlaky,
} from "../summary_table.ts";
import { graphSvg } from "./html_graph.ts";
import { problemSection } from "./html_problems.ts";
import { STYLE } from "./html_style.ts";
import { type Html, markup, raw } from "./html_text.ts";

/** Width of a timeline, in units of its own; it is stretched to the page. */
const WIDTH = 1_000;

/** How many of the slowest steps are listed. */
const MAX_SLOWEST = 10;

/**
 * Writes a run as one page that needs no network and runs no script.
 *
 * The policy in the page lets a browser load nothing and run nothing, so that
 * names and lines of a hostile job are text and no more.
 *
 * @param record The run.
 * @returns An HTML document.
 */
export async function htmlReport(record: RunRecord): Promise<string> {
  const policy = `default-src 'none'; style-src '${await sourceHash(
    STYLE,
  )}'; base-uri 'none'; form-action 'none'`;
  return htmlDocument({
    title: titleOf(record),
    policy,
    style: STYLE,
    main: runHtml(record),
  });
}

/** Options for {@linkcode htmlDocument}. */
export interface HtmlDocumentOptions {
  /** Title. */
  title: string;
  /** What a browser may load and run, in the words of `Content-Security-Policy`. */
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
 * Names a text as a source that a page may use.
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
 * Names the page of a run.
 *
 * @returns Name and status.
 */
export function titleOf(record: RunRecord): string {
  return `${nameOf(record)}: ${runStatus(record)}`;
}

function nameOf({ started }: RunRecord): string {
  return started.name ?? started.kind;
}

/** Options for {@linkcode runHtml}. */
export interface RunHtmlOptions {
  /**
   * Returns the address of a step's log.
   *
   * @param step Index of the step.
   * @default {names of steps are no links}
   */
  logAddress?: (step: number) => string;
  /**
   * Addresses of the runs that were jobs of a workflow, by the index of the job.
   *
   * @default {no links}
   */
  runAddresses?: ReadonlyMap<number, string>;
}

/**
 * Writes what a run did.
 *
 * @param record The run, which may go on.
 * @param options Additional options.
 * @returns Content of a page.
 */
export function runHtml(
  record: RunRecord,
  options: RunHtmlOptions = {},
): Html {
  const { steps } = record;
  return markup`
    ${header(record, nameOf(record), runStatus(record))}
    ${failures(steps)}
    ${problemSection(record.problems)}
    ${timeline(record, options)}
    ${graph(steps)}
    ${slowest(steps)}
    ${plugins(record)}
    ${facts(record)}
  `;
}

function header(record: RunRecord, title: string, status: string): Html {
  const { started, ended, lastMs, steps } = record;
  const count = (is: (step: StepRecord) => boolean) => steps.filter(is).length;
  const counts = [
    [count(({ outcome }) => outcome === "success"), "succeeded"],
    [count(hasFailed), "failed"],
    [count(isAllowed), "failed, allowed"],
    [count(isFlaky), "flaky"],
    [count(({ outcome }) => outcome === "skipped"), "skipped"],
    [
      count(({ outcome, state }) => outcome === "cancelled" && !state),
      "cancelled",
    ],
    [count(({ state }) => state === "running"), "running"],
    [
      count(({ state }) => state !== undefined && state !== "running"),
      "waiting",
    ],
  ] as const;
  const time = formatDuration(ended?.durationMs ?? lastMs);
  return markup`<header class="${status}">
<h1><span class="status">${status}</span> ${title}</h1>
<p>${time} · started <time datetime="${started.time}">${
    started.time.replace("T", " ").replace(/\.\d+Z$/, " UTC")
  }</time>${
    ended === undefined ? "" : markup`
      · exit code ${ended.exitCode}
    `
  }</p>
<p class="counts">${
    counts.filter(([number]) => number > 0).map(([number, word]) =>
      markup`
        <span>${number} ${word}</span>
      `
    )
  }</p>
${ended?.error === undefined ? "" : markup`<p class="error">${ended.error}</p>`}
</header>`;
}

function failures(steps: readonly StepRecord[]): Html | "" {
  const failed = steps.filter(hasFailed);
  if (failed.length === 0) return "";
  return markup`<section aria-labelledby="failures"><h2 id="failures">What failed</h2>
${
    failed.map((step, index) =>
      markup`
        <details${index === 0 ? raw(" open") : ""}>
        <summary><span class="mark failed">✗</span> <b>${step.name}</b> ${
        endingOf(step)
      }</summary>
        ${step.reason === undefined ? "" : markup`<p>${step.reason}</p>`}
        <pre tabindex="0">${
        step.tail.length === 0 ? "(no output)" : step.tail.join("\n")
      }</pre>
        </details>
      `
    )
  }</section>`;
}

function timeline(
  record: RunRecord,
  options: RunHtmlOptions,
): Html | "" {
  const { steps, ended, lastMs } = record;
  if (steps.length === 0) return "";
  const totalMs = Math.max(1, ended?.durationMs ?? lastMs);
  const path = criticalPath(steps);
  const critical = new Set(path.steps);
  return markup`
    <section aria-labelledby="steps">
      <h2 id="steps">Steps</h2>
      <p
        class="legend"><svg width="12" height="12" aria-hidden="true"><rect class="queued" width="12" height="12"/></svg> waits for a place
    <svg width="12" height="12" aria-hidden="true"><rect class="success" width="12" height="12"/></svg> runs
    <svg width="12" height="12" aria-hidden="true"><rect class="failed" width="12" height="12"/></svg> attempt that failed
    <span class="critical">critical path</span>, ${
    formatDuration(
      path.durationMs,
    )
  }: the run could not have been shorter</p>
      <table>
        <thead>
          <tr>
            <th scope="col">Step</th>
            <th scope="col">Result</th>
            <th scope="col" class="number">Time</th>
            <th scope="col" class="bar">0 to ${formatDuration(totalMs)}</th>
          </tr>
        </thead>
        <tbody>
    ${
    steps.map((step, index) =>
      row(step, totalMs, {
        isCritical: critical.has(step),
        log: step.startMs === undefined
          ? undefined
          : options.logAddress?.(index),
        run: options.runAddresses?.get(index),
      })
    )
  }</tbody>
      </table>
    </section>
  `;
}

function row(
  step: StepRecord,
  totalMs: number,
  { isCritical, log, run }: {
    isCritical: boolean;
    log: string | undefined;
    run: string | undefined;
  },
): Html {
  const { name, startedAt, durationMs, outcome, attempts, state } = step;
  const result = isAllowed(step) ? "allowed" : state ?? outcome;
  const notes = [
    isFlaky(step) ? "flaky" : "",
    attempts.length > 1 ? `${attempts.length} attempts` : "",
    step.reason ?? "",
    ...resources(step),
  ].filter((note) => note !== "");
  return markup`
    <tr>
      <th scope="row" ${isCritical ? raw(' class="critical"') : ""}>${
    log === undefined ? name : markup`<a href="${log}">${name}</a>`
  }${
    run === undefined
      ? ""
      : markup`<small><a href="${run}">steps of ${name}</a></small>`
  }</th>
      <td class="${result}">${state ?? endingOf(step)}${
    notes.length === 0 ? "" : markup`<small>${notes.join(" · ")}</small>`
  }</td>
      <td class="number">${
    startedAt === null ? "–" : formatDuration(durationMs)
  }</td>
      <td class="bar">${bar(step, totalMs)}</td>
    </tr>
  `;
}

function resources({ attempts }: StepRecord): string[] {
  const memory = attempts.reduce(
    (most, { peakMemoryBytes = 0 }) => Math.max(most, peakMemoryBytes),
    0,
  );
  const cpuMs = attempts.reduce((sum, { cpuMs = 0 }) => sum + cpuMs, 0);
  return [
    memory === 0 ? "" : `${Math.round(memory / 2 ** 20)} MiB`,
    cpuMs === 0 ? "" : `${formatDuration(cpuMs)} CPU`,
  ];
}

function bar(step: StepRecord, totalMs: number): Html | "" {
  const { startMs, queuedMs = startMs, attempts, state } = step;
  if (startMs === undefined || queuedMs === undefined) return "";
  const x = (ms: number) => Math.round(WIDTH * Math.min(1, ms / totalMs));
  const rect = (className: string, fromMs: number, toMs: number) =>
    markup`
      <rect class="${className}" x="${x(fromMs)}" width="${
      Math.max(
        2,
        x(toMs) - x(fromMs),
      )
    }" height="10" />
    `;
  return markup`
    <svg viewBox="0 0 ${WIDTH} 10" preserveAspectRatio="none" role="img"
      aria-label="${labelOf(step)}">${
    startMs > queuedMs ? rect("queued", queuedMs, startMs) : ""
  }${
    attempts.map(({ outcome, startMs, durationMs }, index) =>
      rect(
        state === "running" && index === attempts.length - 1 ? state : outcome,
        startMs,
        startMs + durationMs,
      )
    )
  }</svg>
  `;
}

function labelOf({ startMs = 0, durationMs, attempts }: StepRecord): string {
  const start = `starts after ${formatDuration(startMs)}`;
  const runs = `runs for ${formatDuration(durationMs)}`;
  return attempts.length > 1
    ? `${start}, ${runs}, ${attempts.length} attempts`
    : `${start}, ${runs}`;
}

function graph(steps: readonly StepRecord[]): Html | "" {
  const drawing = graphSvg(steps);
  if (drawing === undefined) return "";
  return markup`
    <section aria-labelledby="graph">
      <h2 id="graph">What waits for what</h2>
      <div class="scroll" tabindex="0" role="group"
        aria-labelledby="graph">${drawing}</div>
    </section>
  `;
}

function slowest(steps: readonly StepRecord[]): Html | "" {
  const ran = steps.filter(({ startedAt }) => startedAt !== null)
    .sort((a, b) => b.durationMs - a.durationMs)
    .slice(0, MAX_SLOWEST);
  if (ran.length < 2) return "";
  return markup`
    <section aria-labelledby="slowest">
      <h2 id="slowest">Slowest steps</h2>
      <ol>${
    ran.map(({ name, durationMs }) =>
      markup`<li>${name} <span class="muted">${
        formatDuration(durationMs)
      }</span></li>`
    )
  }</ol>
    </section>
  `;
}

function plugins({ plugins, metrics }: RunRecord): Html | "" {
  if (plugins.length === 0) return "";
  return markup`<section aria-labelledby="plugins"><h2 id="plugins">Plugins</h2>
<table><thead><tr><th scope="col">Plugin</th><th scope="col">Phase</th><th scope="col" class="number">Time</th></tr></thead>
<tbody>${
    plugins.map(({ plugin, phase, durationMs, error }) =>
      markup`
        <tr>
          <th scope="row">${plugin}</th>
          <td>${phase}${
        error === undefined ? "" : markup`<small>${error}</small>`
      }</td>
          <td class="number">${formatDuration(durationMs)}</td>
        </tr>
      `
    )
  }</tbody></table>
${
    metrics.length === 0
      ? ""
      : markup`<ul>${
        metrics.map(({ plugin, name, value }) =>
          markup`<li>${plugin}: ${name} = ${value}</li>`
        )
      }</ul>`
  }</section>`;
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
    ["run", started.id],
    ["trace", started.trace.traceId],
    ["runnerlib", `${started.runner.version}, deno ${started.runner.deno}`],
    ...options.map(({ name, value, origin }) =>
      [name, `${value} (${origin})`] as const
    ),
  ];
  return markup`
    <section aria-labelledby="facts">
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
