import type { RunRecord } from "./run_record.ts";

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
    const size = `${count} ${count === 1 ? "file" : "files"}, ${sized(bytes)}`;
    return artifact.event === "artifact.restored"
      ? ["artifact restored", `${name} of ${artifact.job}: ${size}`] as const
      : ["artifact saved", `${name}: ${size}`] as const;
  });
}

function sized(bytes: number): string {
  const unit = UNITS.find(([, size]) => bytes >= size);
  return unit === undefined
    ? `${bytes} bytes`
    : `${(bytes / unit[1]).toFixed(1)} ${unit[0]}`;
}
