import {
  mostSevere,
  problemCounts,
  problemPlace,
  type RecordedProblem,
} from "../problem_text.ts";
import { type Html, markup } from "./html_text.ts";

/** Maximum number of problems that are shown; the record has all. */
const MAX_PROBLEMS = 200;

/**
 * Writes the problems that matchers have found in the output of steps.
 *
 * @param problems Problems of a run.
 * @returns A section of the page; nothing if there are none.
 */
export function problemSection(
  problems: readonly RecordedProblem[],
): Html | "" {
  if (problems.length === 0) return "";
  const shown = mostSevere(problems).slice(0, MAX_PROBLEMS);
  const more = problems.length - shown.length;
  return markup`
    <section data-key="problems" aria-labelledby="problems">
      <h2 id="problems">Problems: ${problemCounts(problems)}</h2>
      <table>
        <thead>
          <tr>
            <th scope="col">Problem</th>
            <th scope="col">Severity</th>
            <th scope="col">Rule</th>
            <th scope="col">Step</th>
          </tr>
        </thead>
        <tbody>
    ${shown.map(row)}</tbody>
      </table>
    ${more === 0 ? "" : markup`<p>${more} more problems were found.</p>`}
    </section>
  `;
}

function row(problem: RecordedProblem): Html {
  const { severity, message, owner, code, step } = problem;
  const place = problemPlace(problem);
  return markup`
    <tr>
      <th scope="row">${message}${
    place === "" ? "" : markup`<small>${place}</small>`
  }</th>
      <td class="${CLASSES[severity]}">${severity}</td>
      <td>${code === undefined ? owner : `${owner} ${code}`}</td>
      <td>${step}</td>
    </tr>
  `;
}

/** Classes of severities; they share the colors of results. */
const CLASSES = { error: "failed", warning: "allowed", notice: "" } as const;
