import { assert } from "@std/assert";
import { FORMATS } from "../../src/report/formats/formats.ts";
import { readRecord } from "../../src/report/run_record.ts";
import { failedStepLine, startedLine } from "../helpers/record_lines.ts";

const LAST = "9999-12-31T23:59:59.999Z";

for (const durationMs of [0, 1e15, 1.1e15, 8.64e15, 1e300]) {
  Deno.test(`every format reports a run that took ${durationMs} ms and started in 9999`, async () => {
    const record = readRecord([
      startedLine({ time: LAST }),
      failedStepLine("a", 0, { time: LAST, startedAt: LAST, durationMs }),
      JSON.stringify({
        event: "run.ended",
        time: LAST,
        ms: durationMs,
        status: "failed",
        exitCode: 1,
        durationMs,
      }),
    ].join("\n"));
    assert(record);
    for (const { load } of Object.values(FORMATS)) {
      const text = await (await load())(record, { color: false });
      assert(text.length > 0);
    }
  });
}
