import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { CommandGuard } from "../../src/output/command_guard.ts";
import { Random } from "../helpers/random.ts";
import { RecordingSink } from "../helpers/recording_sink.ts";

const encoder = new TextEncoder();

async function guarded(...chunks: string[]): Promise<string> {
  const sink = new RecordingSink();
  const guard = new CommandGuard(sink);
  for (const chunk of chunks) await guard.write(encoder.encode(chunk));
  return sink.text;
}

/** Lines that GitHub takes for commands. */
function commands(text: string): string[] {
  return text.split(/[\r\n]/).filter((line) =>
    line.replace(/^[\s\u0085]+/, "").startsWith("::")
  );
}

describe("CommandGuard", () => {
  it("puts an invisible character into a command, and nowhere else", async () => {
    assertEquals(
      await guarded(
        "::error::x\nstd::error::y\n: :z\n \t::add-mask::\n:\n:a\n",
      ),
      ":\u2060:error::x\nstd::error::y\n: :z\n \t:\u2060:add-mask::\n:\n:a\n",
    );
  });

  it("sees a command that comes in parts, or after a carriage return", async () => {
    assertEquals(await guarded("a\n", ":", ":", "x"), "a\n:\u2060:x");
    assertEquals(await guarded("50 %\r", "::x\r\n"), "50 %\r:\u2060:x\r\n");
  });

  it("leaves no command in random text, and changes nothing else", async () => {
    const random = new Random();
    const parts = [":", "::", " ", "\t", "\n", "\r", "\r\n", "x", "é"]
      .concat(["\u0085", "\u00a0", "\u2028", "\u3000", "a::b", "\n::x"]);
    for (let round = 0; round < 2_000; round++) {
      const chunks = Array.from(
        { length: 1 + random.below(12) },
        () => random.pick(parts),
      );
      const text = await guarded(...chunks);
      assertEquals(commands(text), [], `seed ${random.seed}: ${chunks}`);
      assertEquals(text.replaceAll("\u2060", ""), chunks.join(""));
    }
  });
});
