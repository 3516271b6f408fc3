import { assertEquals } from "@std/assert";
import { LogFile } from "../../src/output/log_file.ts";
import { prefixLines, stepPrefix } from "../../src/output/prefix_lines.ts";
import { groupPrinter, linePrinter } from "../../src/output/printer.ts";
import { RecordingSink } from "../helpers/recording_sink.ts";

const encoder = new TextEncoder();

Deno.test("groupPrinter() prints the block early if the disk is full, and the rest immediately", async () => {
  const sink = new RecordingSink();
  const unwritten: Uint8Array[] = [];
  using file = await LogFile.temporary({ onFailure: () => {} });
  const prefix = stepPrefix("a", {
    width: 1,
    color: undefined,
    maxBytes: undefined,
  });
  const printer = groupPrinter({
    step: "a",
    file,
    unwritten,
    sink,
    maxBytes: undefined,
    runInTurn: (task) => task(),
    fallback: linePrinter(
      { stdout: sink, stderr: sink },
      100,
      () => prefixLines(prefix),
    ),
  });
  await file.write(encoder.encode("one\ntw"));
  await printer.write("stdout", new Uint8Array());
  assertEquals(sink.text, "");
  unwritten.push(encoder.encode("o\nthree\n"));
  await printer.write("stdout", new Uint8Array());
  const early = "=== a\none\ntw\na | o\na | three\n";
  assertEquals(sink.text, early);
  unwritten.push(encoder.encode("four"));
  await printer.close();
  assertEquals(sink.text, `${early}a | four\n`);
});
