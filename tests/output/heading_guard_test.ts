import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { HeadingGuard } from "../../src/output/heading_guard.ts";
import { Random } from "../helpers/random.ts";
import { RecordingSink } from "../helpers/recording_sink.ts";

const encoder = new TextEncoder();

/** What Buildkite takes for a heading, once colors are removed. */
const HEADING = /^(?:(?:---|\+\+\+|~~~|\^\^\^)[^\S\n].*)$/u;

// deno-lint-ignore no-control-regex
const COLORS = /\x1b\[[;\d]*[mK]/g;

async function guarded(...chunks: string[]): Promise<string> {
  const sink = new RecordingSink();
  const guard = new HeadingGuard(sink);
  for (const chunk of chunks) await guard.write(encoder.encode(chunk));
  return sink.text;
}

function headings(text: string): string[] {
  return text.replace(COLORS, "").split("\n").filter((line) =>
    HEADING.test(line)
  );
}

describe("HeadingGuard", () => {
  it("puts an invisible character into a heading, and nowhere else", async () => {
    assertEquals(
      await guarded(
        "--- a/x\n+++ b/x\n-old\n--x\n---x\n a --- b\n---\n~~~ t\n",
      ),
      "---\u2060 a/x\n+++\u2060 b/x\n-old\n--x\n---x\n a --- b\n---\n~~~\u2060 t\n",
    );
  });

  it("sees a heading that comes in parts, or behind colors", async () => {
    assertEquals(
      await guarded("x\n-", "-", "-", " a\n"),
      "x\n---\u2060 a\n",
    );
    const text = await guarded(
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
      const text = await guarded(...chunks);
      assertEquals(headings(text), [], `seed ${random.seed}: ${chunks}`);
      assertEquals(text.replaceAll("\u2060", ""), chunks.join(""));
    }
  });
});
