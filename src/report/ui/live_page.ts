import { htmlDocument, runHtml, sourceHash, titleOf } from "../formats/html.ts";
import { colorRules } from "../formats/html_output.ts";
import { STYLE } from "../formats/html_style.ts";
import { type Html, markup, raw } from "../formats/html_text.ts";
import type { RunRecord } from "../run_record.ts";
import { formatDuration } from "../summary_table.ts";
import type { FoundRun } from "./find_records.ts";
import { LIVE_SCRIPT } from "./live_script.ts";

const LIVE_STYLE = `${STYLE}${colorRules()}
.live { display: flex; justify-content: space-between; gap: 1rem; margin-bottom: 1rem; color: var(--muted); }
#output pre { max-height: 20rem; }
td.interrupted { color: var(--other); }
.path { width: 34%; }
@media (max-width: 40rem) {
  td.path { grid-column: 1 / -1; width: auto; color: var(--muted); }
}
`;

/** What a browser may do with a page of the server. */
export const LIVE_POLICY: string = [
  "default-src 'none'",
  `style-src '${await sourceHash(LIVE_STYLE)}'`,
  `script-src '${await sourceHash(LIVE_SCRIPT)}'`,
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

/** A part of a page that a browser replaces while it shows it. */
export interface PageContent {
  readonly title: string;
  readonly html: Html;
}

/**
 * Writes a page that follows what it shows.
 *
 * @param content What it shows now.
 * @param options Whether it leads back to the list of runs.
 * @returns An HTML document.
 */
export function livePage(
  { title, html }: PageContent,
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
      <div id="head"></div>
      <section id="output" aria-labelledby="output-title" hidden>
        <h2 id="output-title">Output</h2>
      </section>
      <div id="content">${html}</div>
    `,
  });
}

/** What the page of a run shows. */
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
      title: "no run",
      html: markup`
        <h1>Cannot read this run record</h1>
        <p class="error">${problem ?? "it is empty"}</p>
      `,
    };
  }
  return {
    title: titleOf(record),
    html: runHtml(record, {
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
    title: `runs in ${directory}`,
    html: markup`
      <h1>Runs in ${directory}</h1>
      ${runs.length === 0 ? noRuns() : table(runs)}
    `,
  };
}

function noRuns(): Html {
  return markup`
    <p>There are none yet. A job with steps appears here as soon as it runs.</p>
  `;
}

function table(runs: readonly FoundRun[]): Html {
  return markup`
    <section aria-label="Runs">
      <table>
        <thead>
          <tr>
            <th scope="col">Run</th>
            <th scope="col">Result</th>
            <th scope="col" class="number">Time</th>
            <th scope="col">Started</th>
            <th scope="col" class="path">Record</th>
          </tr>
        </thead>
        <tbody>${
    runs.map((run) =>
      markup`
          <tr>
            <th scope="row"><a href="run/${run.id}/">${run.name}</a>${
        run.kind === "workflow" ? markup`<small>workflow</small>` : ""
      }</th>
            <td class="${run.status}">${run.status}</td>
            <td class="number">${
        run.durationMs === undefined ? "–" : formatDuration(run.durationMs)
      }</td>
            <td><time datetime="${run.startedAt}">${
        run.startedAt.replace("T", " ").replace(/(\.\d+)?Z$/, " UTC")
      }</time></td>
            <td class="path">${run.path}</td>
          </tr>
        `
    )
  }</tbody>
      </table>
    </section>
  `;
}
