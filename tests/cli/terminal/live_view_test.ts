import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type LiveView,
  type LiveViewOptions,
  openLiveView,
} from "../../../src/cli/terminal/live_view.ts";
import type { HostStream } from "../../../src/host.ts";
import type { StepEvent } from "../../../src/steps/step.ts";
import { streamSink } from "../../../src/output/sink.ts";
import { Random } from "../../helpers/random.ts";
import { Screen, type ScreenOptions } from "../../helpers/screen.ts";
import { until } from "../../helpers/soon.ts";
import {
  ended,
  planned,
  retrying,
  started,
} from "../../helpers/step_events.ts";

const encoder = new TextEncoder();

function open(
  screen: Screen,
  options: Partial<LiveViewOptions> = {},
): LiveView {
  return openLiveView({
    stdout: screen.stream(),
    stderr: screen.stream(),
    columns: () => screen.columns,
    rows: () => screen.rows,
    color: true,
    now: () => 0,
    ...options,
  });
}

function print(stream: HostStream, text: string): Promise<void> {
  return streamSink(stream).write(encoder.encode(text));
}

function screenOf(options: Partial<ScreenOptions> = {}): Screen {
  return new Screen({ columns: 80, rows: 24, ...options });
}

Deno.test("openLiveView() keeps the steps below the output", async () => {
  const screen = screenOf();
  await using view = open(screen);
  await print(view.stdout, "nothing is planned\n");
  assertEquals(screen.lines, ["nothing is planned"]);
  view.onEvent(planned("build", "test"));
  view.onEvent(started("build"));
  await print(view.stdout, "one\n");
  await print(view.stderr, "two\nthree\n");
  const steps = ["⠋ build  0:00", "1 running · 1 waiting · 0:00"];
  const printed = ["nothing is planned", "one", "two", "three"];
  assertEquals(screen.lines, [...printed, ...steps]);
  assertEquals(screen.isCursorShown, false);
  await view.close();
  assertEquals(screen.lines, printed);
  assert(screen.isCursorShown);
});

Deno.test("openLiveView() draws without being called, and redraws as time passes", async () => {
  const screen = screenOf();
  let now = 0;
  await using view = open(screen, { now: () => now });
  view.onEvent(planned("build"));
  view.onEvent(started("build"));
  await until(() => screen.lines[0] === "⠋ build  0:00", "a drawing");
  now = 61_100;
  await until(() => screen.lines[0] === "⠙ build  1:01", "a drawing");
  view.onEvent({ type: "progress", step: "build", text: "half of it" });
  await until(() => screen.lines[0].endsWith("  half of it"), "progress");
  view.onEvent({ type: "progress", step: "build", text: "" });
  await until(() => screen.lines[0] === "⠙ build  1:01", "no progress");
  view.onEvent(ended("build"));
  await until(() => screen.lines.length === 0, "nothing");
});

Deno.test("openLiveView() does not draw over an incomplete line", async () => {
  const screen = screenOf();
  await using view = open(screen);
  view.onEvent(planned("build"));
  await print(view.stdout, "12\n");
  await print(view.stdout, "half a");
  view.onEvent(started("build"));
  assertEquals(screen.lines, ["12", "half a"]);
  await print(view.stderr, " line, 行\n");
  assertEquals(screen.lines.slice(0, 2), ["12", "half a line, 行"]);
  assertEquals(screen.lines.length, 4);
  await print(view.stdout, "half");
  await view.close();
  await print(view.stdout, " more\n");
  assertEquals(screen.lines, ["12", "half a line, 行", "half more"]);
});

Deno.test("openLiveView() scrolls with the screen and keeps the color of the log", async () => {
  const screen = screenOf({ rows: 6 });
  await using view = open(screen);
  view.onEvent(planned("build"));
  view.onEvent(started("build"));
  const lines = Array.from({ length: 20 }, (_, index) => `line ${index}`);
  await print(view.stdout, "\x1b[4m\x1b[31m");
  for (const line of lines) {
    await print(view.stdout, `${line}\n`);
    assertEquals(screen.style, "4;31");
  }
  assertEquals(screen.lines.slice(0, 20), lines);
  await view.close();
  assertEquals(screen.lines, lines);
  assertEquals([screen.wrapCount, screen.overflowCount], [0, 0]);
});

for (const columns of [80, 40, 20]) {
  Deno.test(`openLiveView() breaks no line at ${columns} columns`, async () => {
    const screen = screenOf({ columns });
    await using view = open(screen);
    const names = Array.from(
      { length: 100 },
      (_, index) => `${index} ${"ビルド".repeat(index % 12)} 👍 build\x07 it`,
    );
    view.onEvent(planned(...names));
    await print(view.stdout, "log\n");
    for (const [index, step] of names.entries()) {
      view.onEvent(started(step, index % 3 + 1));
      view.onEvent({ type: "progress", step, text: "=".repeat(index) });
      if (index % 2 === 0) view.onEvent(ended(names[index / 2]));
      await print(view.stdout, `log ${index}\n`);
      assert(screen.lines.length <= index + 2 + 8);
    }
    assertEquals([screen.wrapCount, screen.overflowCount], [0, 0]);
    await view.close();
    assertEquals(screen.lines.length, 101);
  });
}

for (const reflows of [true, false]) {
  const how = reflows ? "wraps lines anew" : "cuts lines";
  Deno.test(`openLiveView() finds its lines on a resized terminal that ${how}`, async () => {
    const screen = screenOf({ reflows, rows: 60 });
    await using view = open(screen);
    const names = Array.from({ length: 20 }, (_, index) => `step ${index}`);
    view.onEvent(planned(...names));
    for (const step of names) {
      view.onEvent(started(step));
      view.onEvent({ type: "progress", step, text: "=".repeat(100) });
    }
    const printed: string[] = [];
    for (const columns of [80, 40, 20, 33, 79, 12, 120, 80]) {
      screen.resize(columns, 60);
      printed.push(`at ${columns}`);
      await print(view.stdout, `at ${columns}\n`);
      assertEquals(screen.lines.slice(0, printed.length), printed);
      assertEquals(screen.lines.length, printed.length + 10);
    }
    screen.resize(31, 60);
    await view.close();
    assertEquals(screen.lines, printed);
  });
}

Deno.test("openLiveView() survives a terminal of one line", async () => {
  const screen = screenOf({ rows: 1, columns: 3 });
  await using view = open(screen);
  view.onEvent(planned("a"));
  view.onEvent(started("a"));
  await print(view.stdout, "a\nb\n");
  await view.close();
  assertEquals(screen.lines, ["a", "b"]);
});

Deno.test("openLiveView() fails only the writer to a broken stream", async () => {
  const screen = screenOf();
  const stdout: HostStream = {
    write: () => Promise.reject(new Error("No space left on device")),
    isTerminal: () => true,
  };
  await using view = open(screen, { stdout });
  const failing = assertRejects(
    () => print(view.stdout, "lost\n"),
    Error,
    "No",
  );
  await Promise.all([failing, print(view.stderr, "kept\n")]);
  assertEquals(screen.lines, ["kept"]);
  assert(view.stdout.isTerminal());
});

Deno.test("openLiveView() does not stop the job if nothing can be drawn", async () => {
  let writes = 0;
  const stderr: HostStream = {
    write: () => {
      writes++;
      return Promise.reject(new Error("Input/output error"));
    },
    isTerminal: () => true,
  };
  const screen = screenOf();
  await using view = open(screen, { stderr });
  view.onEvent(planned("build"));
  await until(() => writes > 0, "a drawing");
  view.onEvent(ended("build"));
  await print(view.stdout, "goes on\n");
  await view.close();
  assertEquals(screen.lines[0], "goes on");
});

Deno.test("openLiveView() leaves exactly the lines of the log in all cases", async () => {
  const random = new Random();
  for (let round = 0; round < 40; round++) {
    const screen = screenOf({
      ...someSize(random),
      reflows: random.below(2) === 0,
    });
    let now = 0;
    const view = open(screen, {
      stdout: screen.stream(random),
      stderr: screen.stream(random),
      now: () => now,
    });
    const names = Array.from(
      { length: 30 },
      () => random.text(8, "ab 行👍\t\r"),
    );
    view.onEvent(planned(...names));
    let log = "";
    for (let act = 0; act < 80; act++) {
      now += random.below(200);
      view.onEvent(someEvent(random, random.pick(names)));
      const stream = random.pick([view.stdout, view.stderr]);
      if (random.below(8) === 0) {
        await stream.write(new Uint8Array());
        const { columns, rows } = someSize(random);
        screen.resize(columns, rows);
      }
      if (random.below(2) === 0) continue;
      const text = random.pick(["a", "b\n", "c\nd\n", "\n", "行\n", "e"]);
      log += text;
      const written = stream.write(encoder.encode(text));
      if (random.below(3) === 0) await written;
    }
    await view.close();
    assertEquals(
      screen.lines.join("\n"),
      log.replace(/\n+$/, ""),
      `seed ${random.seed}, round ${round}`,
    );
    assert(screen.isCursorShown);
  }
});

/**
 * Wide enough that ten lines of any of these sizes have a place on the screen
 * of any other: what scrolled out of sight cannot be erased.
 */
function someSize(random: Random): { columns: number; rows: number } {
  return { columns: 34 + random.below(66), rows: 40 + random.below(20) };
}

function someEvent(random: Random, step: string): StepEvent {
  const text = random.text(random.below(50), "= 行%👍");
  const attempt = 1 + random.below(3);
  return random.pick<StepEvent>([
    started(step, attempt),
    { type: "progress", step, text },
    retrying(step, attempt, 3_000, text),
    ended(step, random.pick(["success", "failed", "skipped", "cancelled"])),
  ]);
}
