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
