import { assertEquals } from "@std/assert";
import { showTerminal } from "../../src/output/show_terminal.ts";
import { Masker } from "../../src/secrets/masker.ts";
import { RecordingSink } from "../helpers/recording_sink.ts";
import { until } from "../helpers/soon.ts";

const encoder = new TextEncoder();

/** Shows what is written to a pseudo-terminal. */
function shown() {
  const masker = new Masker();
  masker.add("hunter2-s3cret");
  const { readable, writable } = new TransformStream<
    Uint8Array<ArrayBuffer>,
    Uint8Array<ArrayBuffer>
  >();
  const sink = new RecordingSink();
  const stop = new AbortController();
  const end = showTerminal(readable, sink, { masker, stop: stop.signal });
  const writer = writable.getWriter();
  return {
    sink,
    print: (text: string) => writer.write(encoder.encode(text)),
    end: async () => {
      await writer.close();
      await end;
      return sink.text;
    },
    stop: async () => {
      stop.abort();
      await end;
      return sink.text;
    },
  };
}

Deno.test("showTerminal() shows a prompt and each key immediately", async () => {
  const { print, sink, end } = shown();
  for (const [text, seen] of [["$ ", "$ "], ["l", "$ l"], ["s", "$ ls"]]) {
    await print(text);
    await until(() => sink.text === seen, `${seen} on the terminal`);
  }
  assertEquals(await end(), "$ ls");
});

Deno.test("showTerminal() masks a secret that is typed key by key, and the colors in it", async () => {
  const { print, end } = shown();
  for (const key of "echo hunter2-\x1b[1ms3cret\r\n") await print(key);
  assertEquals(await end(), "echo [REDACTED]\r\n");
});

Deno.test("showTerminal() shows control sequences that nothing follows", async () => {
  const { print, sink, end } = shown();
  const query = "\x1b[?25l\x1b[6n";
  await print(query);
  await until(() => sink.text === query, "the query on the terminal");
  await print("hunter2-");
  await print("\x1b[0m");
  await print("s3cret");
  assertEquals(await end(), `${query}[REDACTED]`);
});

Deno.test("showTerminal() shows the rest when it is stopped", async () => {
  const { print, sink, stop } = shown();
  await print("$ hunt");
  await until(() => sink.text === "$ ", "the prompt on the terminal");
  assertEquals(await stop(), "$ hunt");
});
