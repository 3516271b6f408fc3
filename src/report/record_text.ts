import { oneLine } from "../terminal/text.ts";
import type { RunEvent } from "./run_event.ts";
import type { RunRecord } from "./run_record.ts";

/** A problem as a record has it. */
export type RecordedProblem = Extract<RunEvent, { event: "problem" }>;

const SEVERITIES = ["error", "warning", "notice"] as const;

/** Sorts problems by their severity, with the others in their order. */
export function sortBySeverity(
  problems: readonly RecordedProblem[],
): RecordedProblem[] {
  const rank = ({ severity }: RecordedProblem) => SEVERITIES.indexOf(severity);
  return problems.toSorted((a, b) => rank(a) - rank(b));
}

/** Counts problems, as in `2 errors, 1 warning`. */
export function countProblems(problems: readonly RecordedProblem[]): string {
  return SEVERITIES.flatMap((severity) => {
    const count = problems.filter((problem) =>
      problem.severity === severity
    ).length;
    if (count === 0) return [];
    return [`${count} ${severity}${count === 1 ? "" : "s"}`];
  }).join(", ");
}

/** Describes where a problem is: `src/a.ts:3:14`; `""` if that is unknown. */
export function formatLocation(
  { file, line, column }: RecordedProblem,
): string {
  if (file === undefined) return "";
  return [file, line, line === undefined ? undefined : column]
    .filter((part) => part !== undefined).join(":");
}

/** Writes a problem as tools do, on one line. */
export function formatProblem(problem: RecordedProblem): string {
  const { severity, message, code, owner } = problem;
  const place = formatLocation(problem);
  const rule = code === undefined ? owner : `${owner} ${code}`;
  return oneLine(
    `${place === "" ? "" : `${place}: `}${severity}: ${message} (${rule})`,
  );
}

/** Unit sizes in bytes, the largest first. */
const UNITS = [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]] as const;

/**
 * Describes the artifacts that a job got and saved, one in each line.
 *
 * @returns What happened to an artifact, and a text about it.
 */
export function formatArtifacts(
  { artifacts }: Pick<RunRecord, "artifacts">,
): (readonly ["artifact restored" | "artifact saved", string])[] {
  return artifacts.map((artifact) => {
    const { name, count, bytes } = artifact;
    const size = `${count} ${count === 1 ? "file" : "files"}, ${
      formatSize(bytes)
    }`;
    return artifact.event === "artifact.restored"
      ? ["artifact restored", `${name} of ${artifact.job}: ${size}`] as const
      : ["artifact saved", `${name}: ${size}`] as const;
  });
}

function formatSize(bytes: number): string {
  const unit = UNITS.find(([, size]) => bytes >= size);
  return unit === undefined
    ? `${bytes} bytes`
    : `${(bytes / unit[1]).toFixed(1)} ${unit[0]}`;
}

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/**
 * Formats a duration for people: `0.4s`, `12.3s`, `2m 05s`, `1h 02m`.
 *
 * @param ms Milliseconds; the result is rounded down.
 * @returns Digits, units and at most one space.
 */
export function formatDuration(ms: number): string {
  const time = Math.max(0, ms);
  if (time < MINUTE_MS) return `${(Math.floor(time / 100) / 10).toFixed(1)}s`;
  if (time < HOUR_MS) {
    return `${countUnits(time, MINUTE_MS)}m ${
      formatTwoDigits(time % MINUTE_MS, SECOND_MS)
    }s`;
  }
  return `${countUnits(time, HOUR_MS)}h ${
    formatTwoDigits(time % HOUR_MS, MINUTE_MS)
  }m`;
}

/** Rounds a duration to what {@linkcode formatDuration} shows, in milliseconds. */
export function roundDuration(ms: number): number {
  const unit = ms < MINUTE_MS ? 100 : ms < HOUR_MS ? SECOND_MS : MINUTE_MS;
  return Math.floor(ms / unit) * unit;
}

/**
 * Formats an elapsed time like a clock: `0:42`, `12:03`, `1:02:03`.
 *
 * @param ms Milliseconds; the result is rounded down.
 * @returns Text that changes once per second.
 */
export function formatClock(ms: number): string {
  const time = Math.max(0, ms);
  const seconds = formatTwoDigits(time % MINUTE_MS, SECOND_MS);
  if (time < HOUR_MS) return `${countUnits(time, MINUTE_MS)}:${seconds}`;
  const minutes = formatTwoDigits(time % HOUR_MS, MINUTE_MS);
  return `${countUnits(time, HOUR_MS)}:${minutes}:${seconds}`;
}

function countUnits(ms: number, unitMs: number): number {
  return Math.floor(ms / unitMs);
}

function formatTwoDigits(ms: number, unitMs: number): string {
  return String(countUnits(ms, unitMs)).padStart(2, "0");
}
