import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { maskEvent, parseEvent } from "../../src/report/event_schema.ts";
import { recordedTail } from "../../src/report/record_writer.ts";
import { failedStepLine } from "../helpers/record_lines.ts";

const LINES = Array.from({ length: 30 }, (_, at) => `line ${at}`);

describe("recordedTail()", () => {
  it("keeps more of a step that did not succeed", () => {
    for (const outcome of ["failed", "timeout", "cancelled"] as const) {
      const { tail } = recordedTail({ outcome }, LINES);
      assertEquals(tail, LINES.slice(-20));
    }
    const { tail } = recordedTail({ outcome: "success" }, LINES);
    assertEquals(tail, LINES.slice(-5));
  });

  it("records no lines of a step without output", () => {
    assertEquals(recordedTail({ outcome: "skipped" }), {});
    assertEquals(recordedTail({ outcome: "failed" }, []), {});
  });

  it("keeps colors, and cuts long lines between words and without colors", () => {
    const outcome = "success";
    const colored = "\x1b[32mok\x1b[0m";
    assertEquals(recordedTail({ outcome }, [colored]), { tail: [colored] });
    const words = `\x1b[31m${"word ".repeat(39)}`;
    assertEquals(recordedTail({ outcome }, [`${words}secret-and-more`]), {
      tail: [`${"word ".repeat(39).trimEnd()} …`],
    });
    assertEquals(recordedTail({ outcome }, ["x".repeat(201)]), {
      tail: [" …"],
    });
    // Only its colors make it longer.
    const rainbow = "\x1b[31mx\x1b[0m".repeat(30);
    assertEquals(recordedTail({ outcome }, [rainbow]), {
      tail: ["x".repeat(30)],
    });
  });
});

describe("maskEvent()", () => {
  const masked = (tail: readonly string[]) => {
    const event = parseEvent(failedStepLine("build", 1, { tail }));
    assert(event?.event === "step.ended");
    const copy = maskEvent(
      event,
      (text) => text.replaceAll(/first\nsecond|word/g, "***"),
    );
    return (copy as typeof event).tail;
  };

  it("masks secrets of several lines in the last lines of a step", () => {
    assertEquals(masked(["a first", "second b", "c"]), ["a *** b", "c"]);
    assertEquals(masked([]), []);
  });

  it("keeps colors, but no other escape sequences", () => {
    assertEquals(
      masked(["\x1b[1;31mword\x1b[0m\x1b[2J\x1b]0;x\x07", "\x07\u202e"]),
      ["\x1b[1;31m***\x1b[0m", "\\u{7}\\u{202e}"],
    );
  });
});
