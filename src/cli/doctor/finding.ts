/** Something that the doctor looked at. */
export interface Finding {
  /**
   * How it is: there; not there, which does no harm now; or not there, although
   * a job with this configuration needs it.
   */
  readonly state: "ok" | "missing" | "needed";
  /** What was looked at. */
  readonly name: string;
  /** What was found. */
  readonly detail: string;
  /** What it is for. */
  readonly purpose: string;
}

/**
 * Lays findings out as lines.
 *
 * @param findings Findings.
 * @returns Lines.
 */
export function findingLines(findings: readonly Finding[]): string[] {
  const widths = (["state", "name", "detail"] as const).map((key) =>
    [key, Math.max(...findings.map((finding) => finding[key].length))] as const
  );
  return findings.map((finding) => {
    const cells = widths.map(([key, width]) => finding[key].padEnd(width));
    return `  ${cells.join("  ")}  ${finding.purpose}`.trimEnd();
  });
}
