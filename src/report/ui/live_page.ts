import { recordTitle, runHtml } from "../formats/html.ts";
import {
  type Html,
  htmlDocument,
  markHtml,
  markup,
  raw,
  sourceHash,
  STYLE,
  timeHtml,
} from "../formats/html_document.ts";
import { colorRules, outputHtml } from "../formats/html_output.ts";
import { formatDuration } from "../record_text.ts";
import type { RunRecord } from "../run_record.ts";
import { LIVE_SCRIPT } from "./live_script.ts";
import type { FoundRun } from "./recorded_runs.ts";

const LIVE_STYLE = `${STYLE}${colorRules()}
.live { display: flex; justify-content: space-between; gap: 1rem; margin-bottom: 1rem; color: var(--muted); }
#cards {
  display: grid; grid-auto-flow: column; grid-auto-columns: minmax(min(24rem, 92%), 1fr);
  gap: 1rem; align-items: start; overflow-x: auto; min-height: 17.5rem; padding: 3px;
}
#cards:empty::before { content: "Nothing is running at the moment."; color: var(--muted); }
#cards pre { height: 14rem; }
#cards details { margin: 0; min-width: 0; border-left: 4px solid var(--accent); }
#cards details[data-over] { border-left-color: var(--line); }
#live::before { content: "●"; margin-right: .4em; font-size: .8em; }
.log { max-height: none; border-radius: 8px; }
td.interrupted { color: var(--other); }
.when { width: 13.5rem; font-variant-numeric: tabular-nums; }
.path { width: 30%; color: var(--muted); font-size: .85rem; }
.runs tr:hover { background: var(--panel); }
@media (max-width: 40rem) {
  td.path, td.when { grid-column: 1 / -1; width: auto; }
}
`;

/** Content security policy of the server's pages. */
export const LIVE_POLICY: string = [
  "default-src 'none'",
  `style-src '${await sourceHash(LIVE_STYLE)}'`,
  `script-src '${await sourceHash(LIVE_SCRIPT)}'`,
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

/** Content security policy of static pages. */
export const LOG_POLICY: string = LIVE_POLICY
  .replace(/script-src [^;]*; connect-src [^;]*; /, "");

/**
 * Writes the page of a step's log.
 *
 * @param name Name of the step.
 * @param text Its log, with colors.
 * @param isCut Whether the text is only the end of the log.
 * @returns An HTML document.
 */
export function logPage(name: string, text: string, isCut: boolean): string {
  return htmlDocument({
    title: `log of ${name}`,
    policy: LOG_POLICY,
    style: LIVE_STYLE,
    main: markup`
      <div class="live"><a href="../">Back to the run</a></div>
      <h1>Log of ${name}</h1>
      ${isCut ? markup`<p>This is its end. The log is longer.</p>` : ""}
      <pre class="log" tabindex="0" aria-label="Log of ${name}">${
      outputHtml(text)
    }</pre>
    `,
  });
}

/** The parts of a page that are updated in the browser. */
export interface PageContent {
  readonly title: string;
  /** HTML above the output of running steps. */
  readonly top: Html;
  /** HTML below the output of running steps. */
  readonly html: Html;
  /** Whether the run is still active and its steps have output. */
  readonly isRunning: boolean;
}

/**
 * Writes a page that updates itself.
 *
 * @param content Current content.
 * @param options Whether it links to the list of runs.
 * @returns An HTML document.
 */
export function livePage(
  { title, top, html, isRunning }: PageContent,
  { hasList }: { hasList: boolean },
): string {
  return htmlDocument({
    title,
    policy: LIVE_POLICY,
    style: LIVE_STYLE,
    script: LIVE_SCRIPT,
    main: markup`
      <div class="live">${
      hasList ? raw('<a href="../../">All runs</a>') : raw("<span></span>")
    }<span id="live" role="status">not live</span></div>
      <div id="head">${top}</div>
      <section id="output" aria-labelledby="output-title"${
      isRunning ? "" : raw(" hidden")
    }>
        <h2 id="output-title">Live output</h2>
        <div id="cards"></div>
      </section>
      <div id="content">${html}</div>
    `,
  });
}

/** Options for {@linkcode runContent}. */
export interface RunContentOptions {
  /** The run; `undefined` if it cannot be read. */
  record: RunRecord | undefined;
  /** Why it cannot be read. */
  problem: string | undefined;
  /** Addresses of the runs of a workflow's jobs, by the index of the job. */
  runAddresses: ReadonlyMap<number, string>;
}

/**
 * Writes the page of a run, with links to the logs of its steps.
 */
export function runContent(
  { record, problem, runAddresses }: RunContentOptions,
): PageContent {
  if (record === undefined || problem !== undefined) {
    return {
      isRunning: false,
      title: "no run",
      top: markup`<h1>Cannot read this run record</h1>`,
      html: markup`<p class="error">${problem ?? "it is empty"}</p>`,
    };
  }
  return {
    isRunning: record.isRunning === true,
    title: recordTitle(record),
    ...runHtml(record, {
      logAddress: (step) => `log/${step}`,
      runAddresses,
    }),
  };
}

/**
 * Writes the list of runs.
 *
 * @param runs Runs.
 * @param directory Name of the directory in which they were found.
 */
export function listContent(
  runs: readonly FoundRun[],
  directory: string,
): PageContent {
  return {
    isRunning: false,
    title: `runs in ${directory}`,
    top: markup`<h1>Runs in ${directory}</h1>`,
    html: runs.length === 0 ? createEmptyList() : createRunTable(runs),
  };
}

function createEmptyList(): Html {
  return markup`
    <p>There are none yet. A job with steps appears here as soon as it runs.</p>
  `;
}

function createRunTable(runs: readonly FoundRun[]): Html {
  return markup`
    <section aria-label="Runs" class="runs">
      <table>
        <thead>
          <tr>
            <th scope="col">Run</th>
            <th scope="col">Result</th>
            <th scope="col" class="number">Time</th>
            <th scope="col" class="when">Started</th>
            <th scope="col" class="path">Record</th>
          </tr>
        </thead>
        <tbody>${
    runs.map((run) =>
      markup`
          <tr data-key="${run.id}">
            <th scope="row"><a href="run/${run.id}/">${run.name}</a>${
        run.kind === "workflow" ? markup`<small>workflow</small>` : ""
      }</th>
            <td class="${run.status}">${markHtml(run.status)}${run.status}</td>
            <td class="number">${
        run.durationMs === undefined ? "–" : formatDuration(run.durationMs)
      }</td>
            <td class="when">${timeHtml(run.startedAt)}</td>
            <td class="path">${run.path}</td>
          </tr>
        `
    )
  }</tbody>
      </table>
    </section>
  `;
}
