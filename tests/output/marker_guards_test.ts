import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { CommandGuard, HeadingGuard } from "../../src/output/marker_guards.ts";
import { Random } from "../helpers/random.ts";
import { RecordingSink } from "../helpers/recording_sink.ts";

const encoder = new TextEncoder();

/** A line that Buildkite treats as a heading, once colors are removed. */
const HEADING = /^(?:(?:---|\+\+\+|~~~|\^\^\^)[^\S\n].*)$/u;

// deno-lint-ignore no-control-regex
const COLORS = /\x1b\[[;\d]*[mK]/g;

async function guarded(
  Guard: typeof CommandGuard | typeof HeadingGuard,
  ...chunks: string[]
): Promise<string> {
  const sink = new RecordingSink();
  const guard = new Guard(sink);
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
        CommandGuard,
        "::error::x\nstd::error::y\n: :z\n \t::add-mask::\n:\n:a\n",
      ),
      ":\u2060:error::x\nstd::error::y\n: :z\n \t:\u2060:add-mask::\n:\n:a\n",
    );
  });

  it("finds a command that is split, or follows a carriage return", async () => {
    assertEquals(
      await guarded(CommandGuard, "a\n", ":", ":", "x"),
      "a\n:\u2060:x",
    );
    assertEquals(
      await guarded(CommandGuard, "50 %\r", "::x\r\n"),
      "50 %\r:\u2060:x\r\n",
    );
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
      const text = await guarded(CommandGuard, ...chunks);
      assertEquals(commands(text), [], `seed ${random.seed}: ${chunks}`);
      assertEquals(text.replaceAll("\u2060", ""), chunks.join(""));
    }
  });
});

function headings(text: string): string[] {
  return text.replace(COLORS, "").split("\n").filter((line) =>
    HEADING.test(line)
  );
}

describe("HeadingGuard", () => {
  it("puts an invisible character into a heading, and nowhere else", async () => {
    assertEquals(
      await guarded(
        HeadingGuard,
        "--- a/x\n+++ b/x\n-old\n--x\n---x\n a --- b\n---\n~~~ t\n",
      ),
      "---\u2060 a/x\n+++\u2060 b/x\n-old\n--x\n---x\n a --- b\n---\n~~~\u2060 t\n",
    );
  });

  it("finds a heading that is split, or follows colors", async () => {
    assertEquals(
      await guarded(HeadingGuard, "x\n-", "-", "-", " a\n"),
      "x\n---\u2060 a\n",
    );
    const text = await guarded(
      HeadingGuard,
      "\x1b[1;31m+\x1b[0m++\x1b[32m forged\n",
      "50 %\r--- forged\n^^^ +++\r\n",
    );
    assertEquals(headings(text.replaceAll("\r", "\n")), []);
  });

  it("leaves no heading in random text, and changes nothing else", async () => {
    const random = new Random();
    const parts = ["-", "--", "---", "+", "+++", "~~~", "^^^", " ", "\t", "\n"]
      .concat(["x", "\x1b[0m", "\x1b[1;3", "2m", "\x1b[K", "\u00a0", "\n--- "]);
    for (let round = 0; round < 2_000; round++) {
      const chunks = Array.from(
        { length: 1 + random.below(12) },
        () => random.pick(parts),
      );
      const text = await guarded(HeadingGuard, ...chunks);
      assertEquals(headings(text), [], `seed ${random.seed}: ${chunks}`);
      assertEquals(text.replaceAll("\u2060", ""), chunks.join(""));
    }
  });
});
