import {
  azureProperty,
  type CiSystem,
  githubData,
  githubProperty,
  gitlabSection,
  oneLineOf,
  teamcityValue,
} from "./marker_text.ts";
import {
  mostSevere,
  problemCounts,
  problemLine,
  type RecordedProblem,
} from "./record_text.ts";

/** Maximum number of problems of a run that are shown. */
const MAX_PROBLEMS = 50;

/**
 * Writes the problems of a run as markers of a CI system, which shows them next
 * to the code if it can.
 *
 * @param system The CI system.
 * @param problems Problems, masked.
 * @returns Lines without breaks; the most severe problems come first.
 */
export function problemAnnotations(
  system: CiSystem,
  problems: readonly RecordedProblem[],
): string[] {
  if (problems.length === 0) return [];
  const shown = mostSevere(problems).slice(0, MAX_PROBLEMS);
  switch (system) {
    case "github":
      return shown.map(githubProblem);
    case "azure":
      return shown.flatMap(azureProblem);
    case "teamcity":
      return [...inspectionTypes(shown), ...shown.map(teamcityProblem)];
    case "gitlab": {
      const second = Math.floor(new Date(problems[0].time).getTime() / 1000);
      const name = "runnerlib_problems";
      return [
        `${gitlabSection("start", second, name)}${problemCounts(problems)}`,
        ...listed(shown, problems.length),
        gitlabSection("end", second, name),
      ];
    }
    case "buildkite":
      return [
        `+++ ${problemCounts(problems)}`,
        ...listed(shown, problems.length),
      ];
  }
}

/** @see https://docs.github.com/actions/reference/workflow-commands-for-github-actions */
function githubProblem(problem: RecordedProblem): string {
  const { severity, message, file, line, column, owner, code } = problem;
  const properties = [
    ["file", file],
    ["line", line],
    ["col", column],
    ["title", code === undefined ? owner : `${owner} ${code}`],
  ].flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${githubProperty(String(value))}`]
  );
  return `::${severity} ${properties.join(",")}::${githubData(message)}`;
}

/**
 * Azure Pipelines only has errors and warnings.
 *
 * @see
 * https://learn.microsoft.com/azure/devops/pipelines/scripts/logging-commands
 */
function azureProblem(problem: RecordedProblem): string[] {
  const { severity, message, file, line, column, owner, code } = problem;
  if (severity === "notice") return [];
  const properties = [
    ["type", severity],
    ["sourcepath", file],
    ["linenumber", line],
    ["columnnumber", column],
    ["code", code],
  ].flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${azureProperty(String(value))}`]
  );
  return [
    `##vso[task.logissue ${properties.join(";")}]${
      oneLineOf(`${owner}: ${message}`)
    }`,
  ];
}

function inspectionTypes(problems: readonly RecordedProblem[]): string[] {
  const owners = new Set(
    problems.filter(({ file }) => file !== undefined)
      .map(({ owner }) => teamcityValue(owner)),
  );
  return Array.from(
    owners,
    (owner) =>
      `##teamcity[inspectionType id='${owner}' name='${owner}' category='Problem matchers' description='${owner}']`,
  );
}

const TEAMCITY_SEVERITIES = {
  error: "ERROR",
  warning: "WARNING",
  notice: "INFO",
} as const;

/** @see https://www.jetbrains.com/help/teamcity/service-messages.html#Reporting+Inspections */
function teamcityProblem(problem: RecordedProblem): string {
  const { severity, message, file, line, owner, code } = problem;
  const text = teamcityValue(
    (code === undefined ? message : `${message} (${code})`).slice(0, 4_000),
  );
  if (file === undefined) {
    return `##teamcity[message text='${text}' status='WARNING']`;
  }
  return `##teamcity[inspection typeId='${
    teamcityValue(owner)
  }' message='${text}' file='${teamcityValue(file)}'${
    line === undefined ? "" : ` line='${line}'`
  } SEVERITY='${TEAMCITY_SEVERITIES[severity]}']`;
}

/** A line that begins with a space is not a marker. */
function listed(
  shown: readonly RecordedProblem[],
  total: number,
): string[] {
  const more = total - shown.length;
  return [
    ...shown.map((problem) => ` ${problemLine(problem)}`),
    ...more === 0 ? [] : [` and ${more} more`],
  ];
}
