/** Returns a line of a run's record. */
export function recordLine(event: string, ms: number, fields: object): string {
  const time = new Date(Date.UTC(2026, 0, 1) + ms).toISOString();
  return JSON.stringify({ event, time, ms, ...fields });
}

/** Returns the first line of a run's record. */
export function startedLine(fields: object = {}): string {
  return recordLine("run.started", 0, {
    version: 1,
    kind: "job",
    id: "1",
    runner: { version: "0", deno: "2" },
    trace: { traceId: "a", spanId: "b", sampled: true },
    ...fields,
  });
}

/** Returns the line of a step that failed with exit code 3. */
export function failedStepLine(
  step: string,
  ms: number,
  fields: object = {},
): string {
  return recordLine("step.ended", ms, {
    step,
    outcome: "failed",
    conclusion: "failed",
    exitCode: 3,
    signal: null,
    startedAt: "2026-01-01T00:00:00.000Z",
    durationMs: 1500,
    attempts: [],
    ...fields,
  });
}
