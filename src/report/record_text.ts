import { oneLine } from "../terminal/text.ts";
import type { RunEvent } from "./run_event.ts";
import type { RunRecord } from "./run_record.ts";

/** A problem as a record has it. */
export type RecordedProblem = Extract<RunEvent, { event: "problem" }>;

const SEVERITIES = ["error", "warning", "notice"] as const;

/** Sorts problems by their severity, with the others in their order. */
export function mostSevere(
  problems: readonly RecordedProblem[],
): RecordedProblem[] {
  const rank = ({ severity }: RecordedProblem) => SEVERITIES.indexOf(severity);
  return problems.toSorted((a, b) => rank(a) - rank(b));
}

/** Counts problems, as in `2 errors, 1 warning`. */
export function problemCounts(problems: readonly RecordedProblem[]): string {
  return SEVERITIES.flatMap((severity) => {
    const count = problems.filter((problem) =>
      problem.severity === severity
    ).length;
    if (count === 0) return [];
    return [`${count} ${severity}${count === 1 ? "" : "s"}`];
  }).join(", ");
}

/** Describes where a problem is: `src/a.ts:3:14`; `""` if that is unknown. */
export function problemPlace(
  { file, line, column }: RecordedProblem,
): string {
  if (file === undefined) return "";
  return [file, line, line === undefined ? undefined : column]
    .filter((part) => part !== undefined).join(":");
}

/** Writes a problem as tools do, on one line. */
export function problemLine(problem: RecordedProblem): string {
  const { severity, message, code, owner } = problem;
  const place = problemPlace(problem);
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
export function artifactLines(
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
