import { assertEquals, assertLess, assertLessOrEqual } from "@std/assert";
import { formatFrame, StepBoard } from "../../../src/cli/terminal/frame.ts";
import { displayWidth } from "../../../src/terminal/width.ts";
import type { StepEvent } from "../../../src/steps/step.ts";
import {
  ended,
  planned,
  retrying,
  started,
} from "../../helpers/step_events.ts";

function frame(
  events: readonly StepEvent[],
  columns: number,
  rows: number = 24,
  now: number = 64_000,
): string[] {
  const board = new StepBoard(0);
  for (const event of events) board.apply(event, 0);
  return formatFrame(board, { size: { columns, rows }, color: false, now });
}

Deno.test("formatFrame() shows steps, attempts, progress and counts", () => {
  const events: StepEvent[] = [
    planned("lint", "build", "test", "deploy", "docs", "old", "side"),
    started("lint"),
    ended("lint"),
    started("build", 2),
    { type: "progress", step: "build", text: "\x1b[32m[ 45%]\x1b[0m link\t." },
    started("test"),
    retrying("test", 2, 70_000, "exit code 1"),
    ended("docs", "failed"),
    ended("old", "failed", "success"),
    ended("side", "skipped"),
  ];
  assertEquals(frame(events, 80), [
    "⠋ build  1:04  attempt 2 · [ 45%] link     .",
    "↻ test   1:04  retry in 0:06",
    "2 running · 1 waiting · 2 done · 1 failed · 1 skipped · 1:04",
  ]);
  assertEquals(frame(events, 40), [
    "⠋ build  1:04  attempt 2 · [ 45%] link…",
    "↻ test   1:04  retry in 0:06",
    "▸2 ○1 ✓2 ✗1 –1 1:04",
  ]);
  assertEquals(frame(events, 20), [
    "⠋ build  1:04",
    "↻ test   1:04",
    "▸2 ○1 ✓2 ✗1 –1 1:04",
  ]);
});

Deno.test("formatFrame() says which services are ready", () => {
  const events: StepEvent[] = [
    planned("db", "cache"),
    started("db"),
    started("cache"),
    { type: "ready", step: "db", durationMs: 900 },
  ];
  assertEquals(frame(events, 80), [
    "⠋ db     1:04  ready",
    "⠋ cache  1:04",
    "2 running · 1:04",
  ]);
});

Deno.test("formatFrame() folds what is more than a third of the screen", () => {
  const names = Array.from({ length: 100 }, (_, index) => `step-${index}`);
  const events = [planned(...names), ...names.map((name) => started(name))];
  const counts = "100 running · 1:04";
  assertEquals(frame(events, 80, 15), [
    "⠋ step-0  1:04",
    "⠋ step-1  1:04",
    "⠋ step-2  1:04",
    "… and 97 more",
    counts,
  ]);
  assertEquals(frame(events, 80, 100).length, 10);
  assertEquals(frame(events, 80, 4).length, 3);
  assertEquals(frame(events, 80, 3), ["… and 100 more", counts]);
  assertEquals(frame(events, 80, 1), [counts]);
});

Deno.test("formatFrame() keeps names and progress of every kind within the line", () => {
  const names = [
    "日本語の長い名前のステップ",
    "👩🏽‍💻 développe",
    "e\u0301".repeat(30),
    "🇩🇪🇫🇷🇯🇵",
    "x\x1b[2Jy\u202e\x9b1mz\u0085\r",
    "\ud800",
    "한국어 이름",
    "",
    "a".repeat(10_000),
  ];
  const events: StepEvent[] = [planned(...names)];
  for (const name of names) {
    events.push(started(name));
    events.push({ type: "progress", step: name, text: `${name} 50 % 進行` });
  }
  for (let columns = 1; columns <= 130; columns++) {
    for (const line of frame(events, columns, 40)) {
      assertLess(displayWidth(line), Math.max(2, columns), line);
      assertEquals(/\p{Cc}|\u202e|\p{Cs}/u.test(line), false, line);
    }
  }
  assertLessOrEqual(frame(events, 40, 40).length, 10);
});
