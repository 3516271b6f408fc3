import { assertEquals } from "@std/assert";
import { createJobLog } from "../../src/output/create_job_log.ts";
import { RecordingSink } from "../helpers/recording_sink.ts";
import { until } from "../helpers/soon.ts";
import { temporaryDirectory } from "../helpers/temporary_directory.ts";

const encoder = new TextEncoder();

async function withLog(
  body: (log: {
    shown: () => string;
    sees: (text: string) => Promise<void>;
    write: (step: "a" | "b", text: string) => Promise<void>;
    close: () => Promise<void>;
    filed: (step: "a" | "b") => Promise<string>;
  }) => Promise<void>,
) {
  await using directory = await temporaryDirectory();
  const stdout = new RecordingSink();
  const log = createJobLog({
    stdout,
    stderr: stdout,
    style: "prefixed",
    steps: ["a", "b"],
    logDirectory: directory.path,
    unfinishedLineMs: 1,
    onWarning: (message) => {
      throw new Error(message);
    },
  });
  const steps = { a: await log.openStep("a"), b: await log.openStep("b") };
  await body({
    shown: () => stdout.text,
    sees: (text) => until(() => stdout.text === text, JSON.stringify(text)),
    write: (step, text) => steps[step].stdout.write(encoder.encode(text)),
    async close() {
      await steps.a.close();
      await steps.b.close();
    },
    filed: (step) => Deno.readTextFile(`${directory.path}/${step}.log`),
  });
}

Deno.test("an unfinished line is shown after a while, separate from other steps", async () => {
  await withLog(async ({ sees, write, close, filed }) => {
    await write("a", "one.");
    await sees("a | one.\n");
    await write("b", "other\n");
    await write("a", "two\n");
    await sees("a | one.\nb | other\na | two\n");
    await close();
    assertEquals(await filed("a"), "one.two\n");
  });
});

Deno.test("the end of a line that was already shown adds no empty line", async () => {
  for (const end of ["\n", "\r\n"]) {
    await withLog(async ({ shown, sees, write, close }) => {
      await write("a", "prompt> ");
      await sees("a | prompt> \n");
      await write("a", end);
      await write("a", "\nnext\n");
      await close();
      assertEquals(shown(), "a | prompt> \na | \na | next\n");
    });
  }
});

Deno.test("a rewritten line is shown as it is, and written to the file in its last form", async () => {
  await withLog(async ({ sees, write, close, filed }) => {
    await write("a", "\rprogress 1\rprogress 2");
    await sees("a | progress 2\n");
    await write("a", "\rprogress 3\n");
    await sees("a | progress 2\na | progress 3\n");
    await close();
    assertEquals(await filed("a"), "progress 3\n");
  });
});

Deno.test("a step that ends within a line shows the rest once", async () => {
  await withLog(async ({ shown, sees, write, close, filed }) => {
    await write("a", "one");
    await sees("a | one\n");
    await close();
    assertEquals(shown(), "a | one\n");
    assertEquals(await filed("a"), "one\n");
  });
});
