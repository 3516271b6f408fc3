import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  createLogger,
  type Logger,
  type LogLevel,
  type LogStyle,
  parseLogLevel,
} from "../../src/output/logger.ts";
import { Masker } from "../../src/secrets/masker.ts";
import { RecordingSink } from "../helpers/recording_sink.ts";

const STYLES: readonly LogStyle[] = ["short", "text", "json"];

interface LogOptions {
  style?: LogStyle;
  level?: LogLevel;
  secrets?: readonly string[];
}

/** Returns the logged text. */
async function logged(
  say: (logger: Logger) => void,
  options: LogOptions = {},
): Promise<string> {
  const { style = "short", level = "debug", secrets = [] } = options;
  const masker = new Masker();
  for (const secret of secrets) masker.add(secret);
  const sink = new RecordingSink();
  const logger = createLogger({ sink, masker, style, level });
  say(logger);
  await logger.flush();
  return sink.text;
}

Deno.test("createLogger() writes short lines for people", async () => {
  const text = await logged((logger) => {
    logger.debug("git", "Cloning", { depth: 1, shallow: true });
    logger.info("git", "Cloned");
    logger.warn("config", "Odd", { key: "a b" });
    logger.error("job", "Failed");
  });
  assertEquals(
    text,
    "[git] debug: Cloning depth=1 shallow=true\n" +
      "[git] Cloned\n" +
      "[config] warning: Odd key=a b\n" +
      "[job] error: Failed\n",
  );
});

Deno.test("createLogger() writes lines with time and level", async () => {
  const text = await logged(
    (logger) => logger.warn("git", "Slow", { ms: 5 }),
    { style: "text" },
  );
  assertMatch(
    text,
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \[WARNING\] \[git\] Slow ms=5\n$/,
  );
});

Deno.test("createLogger() writes one JSON object per line", async () => {
  const text = await logged((logger) => {
    logger.error("job", 'Two\nlines and "quotes"', { code: 7, last: false });
    logger.info("job", "\u2028\x1b[31m\0");
  }, { style: "json" });
  const lines = text.trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(lines.length, 2);
  const [{ timestamp, ...first }, { timestamp: _, ...second }] = lines;
  assert(!Number.isNaN(Date.parse(timestamp)));
  assertEquals(first, {
    level: "error",
    component: "job",
    message: 'Two\nlines and "quotes"',
    fields: { code: 7, last: false },
  });
  assertEquals(second, {
    level: "info",
    component: "job",
    message: "\u2028\x1b[31m\0",
  });
  assert(!text.includes("\x1b"), "steers the terminal");
});

Deno.test("createLogger() writes no messages below its level", async () => {
  const levels: readonly LogLevel[] = ["debug", "info", "warning", "error"];
  for (const style of STYLES) {
    for (const [at, level] of levels.entries()) {
      const text = await logged((logger) => {
        logger.debug("c", "m-debug");
        logger.info("c", "m-info");
        logger.warn("c", "m-warning");
        logger.error("c", "m-error");
      }, { style, level });
      assertEquals(
        text.match(/m-\w+/g),
        levels.slice(at).map((item) => `m-${item}`),
      );
    }
  }
});

Deno.test("createLogger() masks secrets in all parts of a message", async () => {
  const secret = "s3cr3t-value";
  for (const style of STYLES) {
    const text = await logged(
      (logger) =>
        logger.info(`c-${secret}`, `Using ${secret}`, { [secret]: secret }),
      { style, secrets: [secret] },
    );
    assert(!text.includes(secret), `${style}: ${text}`);
    assertEquals(text.match(/\[REDACTED\]/g)?.length, 4, style);
  }
});

Deno.test("createLogger() masks secrets with escaped characters", async () => {
  const secrets = [
    'pa"ss\\word',
    "-----KEY\r\nabc\r\n",
    "esc\x1b\x07ape",
    "ta\tb\nline",
  ];
  for (const secret of secrets) {
    for (const style of STYLES) {
      const text = await logged(
        (logger) => logger.info("c", `<${secret}>`, { field: secret }),
        { style, secrets: [secret] },
      );
      assertStringIncludes(text, "<[REDACTED]>");
      assertEquals(text.match(/\[REDACTED\]/g)?.length, 2, `${style}: ${text}`);
    }
  }
});

Deno.test("createLogger() writes valid JSON after masking", async () => {
  const secrets = [
    "message",
    '":"',
    "info",
    "timestamp",
    '"level":"info","',
    "2026",
  ];
  const text = await logged(
    (logger) => logger.info("c", "the message", { info: "info" }),
    { style: "json", secrets },
  );
  const { timestamp, level, message } = JSON.parse(text);
  assert(!Number.isNaN(Date.parse(timestamp)), timestamp);
  assertEquals(level, "info");
  assertEquals(message, "the [REDACTED]");
});

Deno.test("createLogger() escapes terminal control characters", async () => {
  for (const style of ["short", "text"] as const) {
    const text = await logged(
      (logger) =>
        logger.info("c", "a\x1b[2Jb\rc\x07d\0e\x7ff\x9b31mg", {
          k: "\x1b]0;x",
        }),
      { style },
    );
    assert(
      text.endsWith(
        "[c] a\\u{1b}[2Jb\\u{d}c\\u{7}d\\u{0}e\\u{7f}f\\u{9b}31mg k=\\u{1b}]0;x\n",
      ),
      JSON.stringify(text),
    );
  }
});

Deno.test("createLogger() keeps line breaks and tabs of a message", async () => {
  assertEquals(
    await logged((logger) => logger.error("c", "Problems:\n\tone\n\ttwo é")),
    "[c] error: Problems:\n\tone\n\ttwo é\n",
  );
});

Deno.test("createLogger() reports a lost message only to flush()", async () => {
  const logger = createLogger({
    sink: { write: () => Promise.reject(new Error("No space left")) },
    masker: new Masker(),
    style: "short",
    level: "info",
  });
  logger.info("c", "one");
  logger.info("c", "two");
  // A turn of the event loop in which the failure is not handled.
  await new Promise((resolve) => setTimeout(resolve, 0));
  await assertRejects(() => logger.flush(), Error, "No space left");
});

Deno.test("parseLogLevel() accepts every spelling and defaults to info", () => {
  const levels: Record<string, LogLevel> = {
    debug: "debug",
    INFO: "info",
    Warn: "warning",
    WARNING: "warning",
    Error: "error",
    fatal: "error",
    "": "info",
    loud: "info",
  };
  for (const [text, level] of Object.entries(levels)) {
    assertEquals(parseLogLevel(text), level, text);
  }
  assertEquals(parseLogLevel("constructor"), "info");
  assertEquals(parseLogLevel(undefined), "info");
});

Deno.test("createLogger() does not let a message look like another one", async () => {
  for (const style of ["short", "text"] as const) {
    const text = await logged((logger) => {
      logger.info("plugin:a\n[job", "one\n[runnerlib] error: two\n  three", {
        key: "x\n[job] y",
      });
      logger.info("a", "right\u202eleft\u2028below\x1b[2J");
    }, { style });
    const lines = text.split("\n");
    assertEquals(lines.slice(1, 4), [
      "  [runnerlib] error: two",
      "  three key=x",
      "  [job] y",
    ]);
    assertMatch(lines[0], /\[plugin:a\\n\[job\] one$/);
    assertMatch(lines[4], /right\\u\{202e\}left\\u\{2028\}below\\u\{1b\}\[2J$/);
    assertEquals(lines.length, 6);
  }
});
