import { assertEquals } from "@std/assert";
import { runCommand } from "../../src/steps/run_command.ts";
import { Cancellation } from "../../src/process/cancellation.ts";
import { spawn } from "../../src/process/spawn.ts";
import { Masker } from "../../src/secrets/masker.ts";
import { RecordingSink } from "../helpers/recording_sink.ts";
import { BARE_ENV } from "../helpers/running.ts";

const SECRET = "correct-horse-battery";

Deno.test("runCommand() masks a shell's error about the first line of a script", async () => {
  const [stdout, stderrSink] = [new RecordingSink(), new RecordingSink()];
  const masker = new Masker();
  masker.add(SECRET);
  const { exitCode } = await runCommand("", {
    cwd: "/",
    env: BARE_ENV,
    stderr: "merged",
    timeoutMs: undefined,
    temporaryPlace: { env: {}, workspace: { base: "/tmp" } },
    isInContainer: false,
    onWarning: () => {},
    graceMs: 100,
    cancellation: new Cancellation(),
    masker,
    stdout,
    stderrSink,
    // Some shells quote the line that they cannot read, others do not.
    start: (_command, options) =>
      spawn(`echo "cannot read: ${SECRET}" >&2; exit 2`, {
        ...options,
        stderr: "separate",
      }),
  });
  assertEquals(exitCode, 2);
  assertEquals(
    new TextDecoder().decode(stdout.bytes),
    "cannot read: [REDACTED]\n",
  );
  assertEquals(stderrSink.bytes.length, 0);
});
