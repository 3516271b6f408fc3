import type { Environment } from "../environment/variables.ts";
import { CI_SYSTEMS } from "../options/options.ts";
import { TAIL_LINES } from "../output/log_tail.ts";
import type { GroupMarkers } from "../output/printer.ts";
import { oneLine } from "../terminal/text.ts";
import {
  countProblems,
  formatDuration,
  formatProblem,
  type RecordedProblem,
  sortBySeverity,
} from "./record_text.ts";
import type { RunRecord, StepRecord } from "./run_record.ts";
import { hasFailed, outcomeText } from "./step_outcome.ts";

/**
 * Maximum number of annotations of a run; GitHub shows ten errors of a step.
 */
const MAX_ANNOTATIONS = 10;

/** A CI system that interprets markers in a log. */
export type CiSystem = keyof typeof CI_SYSTEMS;

/**
 * Detects the CI system that runs the runner.
 *
 * @param env Environment of the runner.
 * @returns The system; `undefined` if none is known.
 */
export function detectCiSystem(
  env: Environment,
): CiSystem | undefined {
  const systems = Object.keys(CI_SYSTEMS) as CiSystem[];
  return systems.find((system) => env[CI_SYSTEMS[system]]);
}

/**
 * Returns texts that the output of a job must not contain, because the system
 * would mistake them for markers of the runner. GitHub has a command to ignore
 * markers, and `HeadingGuard` breaks headings of Buildkite, since lines of
 * diffs look like them.
 *
 * @param system The CI system.
 * @returns Texts to be masked.
 */
export function forbiddenMarkers(system: CiSystem): readonly string[] {
  return FORBIDDEN[system];
}

const FORBIDDEN: Readonly<Record<CiSystem, readonly string[]>> = {
  // The page of a log shows these, whether or not commands are ignored.
  github: ["##["],
  gitlab: ["section_start:", "section_end:"],
  buildkite: [],
  teamcity: ["##teamcity["],
  azure: ["##vso[", "##["],
};

/**
 * Returns the lines to print before a job prints anything.
 *
 * @param system The CI system.
 * @param token Random word that cannot be guessed.
 * @returns Lines, each with its line break.
 */
export function annotationsBegin(system: CiSystem, token: string): string {
  return system === "github" ? `::stop-commands::${token}\n` : "";
}

/**
 * Returns the lines around the output of a step, which the system shows as a
 * collapsible group. In Buildkite, a group ends where the next one begins.
 *
 * @param system The CI system.
 * @param token The word of {@linkcode annotationsBegin}.
 * @returns Functions that write the lines, with masked titles.
 */
export function groupMarkers(system: CiSystem, token: string): GroupMarkers {
  const markers = GROUPS[system];
  const numbers = new Map<string, number>();
  const getTitleNumber = (title: string) => {
    const number = numbers.get(title) ?? numbers.size + 1;
    numbers.set(title, number);
    return number;
  };
  const write = (line: string) =>
    line === ""
      ? line
      : system === "github"
      ? `::${token}::\n${line}\n::stop-commands::${token}\n`
      : `${line}\n`;
  return {
    begin: (title) =>
      write(markers.begin(oneLine(title), getTitleNumber(title))),
    end: (title) => write(markers.end(oneLine(title), getTitleNumber(title))),
  };
}

const GROUPS: Readonly<
  Record<CiSystem, {
    begin: (title: string, number: number) => string;
    end: (title: string, number: number) => string;
  }>
> = {
  github: {
    begin: (title) => `::group::${escapeGithubData(title)}`,
    end: () => "::endgroup::",
  },
  /** @see https://docs.gitlab.com/ci/jobs/job_logs/#custom-collapsible-sections */
  gitlab: {
    begin: (title, number) =>
      `${
        formatGitlabSection(
          "start",
          currentSecond(),
          `runnerlib_step_${number}`,
        )
      }${title}`,
    end: (_title, number) =>
      formatGitlabSection("end", currentSecond(), `runnerlib_step_${number}`),
  },
  buildkite: { begin: (title) => `--- ${title}`, end: () => "" },
  teamcity: {
    begin: (title) =>
      `##teamcity[blockOpened name='${escapeTeamcityValue(title)}']`,
    end: (title) =>
      `##teamcity[blockClosed name='${escapeTeamcityValue(title)}']`,
  },
  azure: {
    begin: (title) => `##[group]${title}`,
    end: () => "##[endgroup]",
  },
};

/** Seconds since the epoch. */
function currentSecond(): number {
  return Math.floor(Date.now() / 1000);
}

/**
 * Returns the lines to print at the end of a run: its failures, and the
 * problems that matchers found.
 *
 * @param system The CI system.
 * @param record The run, masked.
 * @param token The word of {@linkcode annotationsBegin}.
 * @returns Lines, each with its line break.
 */
export function annotationsEnd(
  system: CiSystem,
  record: RunRecord,
  token: string,
): string {
  const failed = record.steps.filter(hasFailed).slice(0, MAX_ANNOTATIONS);
  const lines = failed.map(WRITERS[system]);
  const resume = system === "github" ? [`::${token}::`] : [];
  const problems = formatProblems(system, record.problems);
  return [...resume, ...lines, ...problems].map((line) => `${line}\n`).join("");
}

const WRITERS: Readonly<
  Record<CiSystem, (step: StepRecord, index: number) => string>
> = {
  /** @see https://docs.github.com/actions/reference/workflow-commands-for-github-actions */
  github(step) {
    const title = escapeGithubProperty(formatStepTitle(step));
    return `::error title=${title}::${escapeGithubData(formatStepText(step))}`;
  },
  /** An expanded section with the last lines of the step. */
  gitlab(step, index) {
    const second = Math.floor((step.startedAt?.getTime() ?? 0) / 1000);
    const end = second + Math.ceil(step.durationMs / 1000);
    const name = `runnerlib_failed_${index + 1}`;
    return `${formatGitlabSection("start", second, name)}${
      oneLine(formatStepTitle(step))
    }\n${formatStepText(step)}\n${formatGitlabSection("end", end, name)}`;
  },
  buildkite: (step) =>
    `^^^ +++\n+++ ${oneLine(formatStepTitle(step))}\n${formatStepText(step)}`,
  /** @see https://www.jetbrains.com/help/teamcity/service-messages.html */
  teamcity: (step) =>
    `##teamcity[buildProblem description='${
      escapeTeamcityValue(
        `${formatStepTitle(step)}\n${formatStepText(step)}`.slice(0, 4_000),
      )
    }']`,
  /** @see https://learn.microsoft.com/azure/devops/pipelines/scripts/logging-commands */
  azure: (step) =>
    `##vso[task.logissue type=error]${oneLine(formatStepTitle(step))}: ${
      oneLine(formatStepText(step))
    }`,
};

function formatStepTitle(step: StepRecord): string {
  return `Step "${step.name}": ${outcomeText(step)} after ${
    formatDuration(step.durationMs)
  }`;
}

/**
 * Returns the last lines of a step. Each begins with a space, so none of them
 * is a marker.
 */
function formatStepText({ reason, tail }: StepRecord): string {
  const lines = tail.slice(-TAIL_LINES).map((line) => ` ${oneLine(line)}`);
  return [reason === undefined ? [] : [oneLine(reason)], lines].flat()
    .join("\n") || "(no output)";
}

/** Maximum number of problems of a run that are shown. */
const MAX_PROBLEMS = 50;

/**
 * Writes the problems of a run as markers of a CI system, which shows them next
 * to the code if it can.
 *
 * @param system The CI system.
 * @param problems Problems, masked.
 * @returns Lines without line breaks; the most severe problems come first.
 */
function formatProblems(
  system: CiSystem,
  problems: readonly RecordedProblem[],
): string[] {
  if (problems.length === 0) return [];
  const shown = sortBySeverity(problems).slice(0, MAX_PROBLEMS);
  switch (system) {
    case "github":
      return shown.map(formatGithubProblem);
    case "azure":
      return shown.flatMap(formatAzureProblem);
    case "teamcity":
      return [
        ...formatInspectionTypes(shown),
        ...shown.map(formatTeamcityProblem),
      ];
    case "gitlab": {
      const second = Math.floor(new Date(problems[0].time).getTime() / 1000);
      const name = "runnerlib_problems";
      return [
        `${formatGitlabSection("start", second, name)}${
          countProblems(problems)
        }`,
        ...formatList(shown, problems.length),
        formatGitlabSection("end", second, name),
      ];
    }
    case "buildkite":
      return [
        `+++ ${countProblems(problems)}`,
        ...formatList(shown, problems.length),
      ];
  }
}

/** @see https://docs.github.com/actions/reference/workflow-commands-for-github-actions */
function formatGithubProblem(problem: RecordedProblem): string {
  const { severity, message, file, line, column, owner, code } = problem;
  const properties = [
    ["file", file],
    ["line", line],
    ["col", column],
    ["title", code === undefined ? owner : `${owner} ${code}`],
  ].flatMap(([name, value]) =>
    value === undefined
      ? []
      : [`${name}=${escapeGithubProperty(String(value))}`]
  );
  return `::${severity} ${properties.join(",")}::${escapeGithubData(message)}`;
}

/**
 * Azure Pipelines only has errors and warnings.
 *
 * @see
 * https://learn.microsoft.com/azure/devops/pipelines/scripts/logging-commands
 */
function formatAzureProblem(problem: RecordedProblem): string[] {
  const { severity, message, file, line, column, owner, code } = problem;
  if (severity === "notice") return [];
  const properties = [
    ["type", severity],
    ["sourcepath", file],
    ["linenumber", line],
    ["columnnumber", column],
    ["code", code],
  ].flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${escapeAzureProperty(String(value))}`]
  );
  return [
    `##vso[task.logissue ${properties.join(";")}]${
      oneLine(`${owner}: ${message}`)
    }`,
  ];
}

function formatInspectionTypes(problems: readonly RecordedProblem[]): string[] {
  const owners = new Set(
    problems.filter(({ file }) => file !== undefined)
      .map(({ owner }) => escapeTeamcityValue(owner)),
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
function formatTeamcityProblem(problem: RecordedProblem): string {
  const { severity, message, file, line, owner, code } = problem;
  const text = escapeTeamcityValue(
    (code === undefined ? message : `${message} (${code})`).slice(0, 4_000),
  );
  if (file === undefined) {
    return `##teamcity[message text='${text}' status='WARNING']`;
  }
  return `##teamcity[inspection typeId='${
    escapeTeamcityValue(owner)
  }' message='${text}' file='${escapeTeamcityValue(file)}'${
    line === undefined ? "" : ` line='${line}'`
  } SEVERITY='${TEAMCITY_SEVERITIES[severity]}']`;
}

/** A line that begins with a space is not a marker. */
function formatList(
  listed: readonly RecordedProblem[],
  total: number,
): string[] {
  const more = total - listed.length;
  return [
    ...listed.map((problem) => ` ${formatProblem(problem)}`),
    ...more === 0 ? [] : [` and ${more} more`],
  ];
}

/** Escapes the text of a GitHub workflow command. */
function escapeGithubData(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D")
    .replaceAll("\n", "%0A");
}

/** Escapes a property of a GitHub workflow command. */
function escapeGithubProperty(text: string): string {
  return escapeGithubData(oneLine(text)).replaceAll(":", "%3A")
    .replaceAll(",", "%2C");
}

/** Escapes a property of an Azure Pipelines logging command. */
function escapeAzureProperty(text: string): string {
  return oneLine(text).replaceAll("%", "%AZP25").replaceAll(";", "%3B")
    .replaceAll("]", "%5D");
}

/** Escapes a value in a TeamCity service message. */
function escapeTeamcityValue(text: string): string {
  return text.replace(/[|'[\]]/g, "|$&").replaceAll("\n", "|n")
    .replaceAll("\r", "|r")
    .replace(
      /[^\x20-\x7e|]/g,
      (character) =>
        `|0x${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
    );
}

/**
 * Returns the marker that starts or ends a GitLab section.
 *
 * @param second Time in seconds since the epoch.
 * @param name Letters, digits and underscores.
 */
function formatGitlabSection(
  border: "start" | "end",
  second: number,
  name: string,
): string {
  return `\x1b[0Ksection_${border}:${second}:${name}\r\x1b[0K`;
}
