import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { recordedTail } from "../../src/report/recorded_tail.ts";

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

  it("says nothing of a step without output", () => {
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
