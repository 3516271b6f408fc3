import type { Masker } from "../secrets/masker.ts";
import { printableLines } from "../terminal/text.ts";
import type { Sink } from "./sink.ts";

/** How much a message matters. */
export type LogLevel = "debug" | "info" | "warning" | "error";

/** Facts that belong to a message. */
export type LogFields = Readonly<Record<string, string | number | boolean>>;

/** What the runner says of itself; never what a job prints. */
export interface Logger {
  /** Says what helps to find a fault in the runner. */
  debug(component: string, message: string, fields?: LogFields): void;
  /** Says what a user wants to know of every run. */
  info(component: string, message: string, fields?: LogFields): void;
  /** Says what may be wrong, though the job goes on. */
  warn(component: string, message: string, fields?: LogFields): void;
  /** Says what went wrong. */
  error(component: string, message: string, fields?: LogFields): void;
  /** Resolves when everything said so far was written. */
  flush(): Promise<void>;
}

/** How messages are written. */
export type LogStyle = "short" | "text" | "json";

/** Options for {@linkcode createLogger}. */
export interface LoggerOptions {
  /** Where messages go. */
  sink: Sink;
  /** Takes the secrets out. */
  masker: Masker;
  /** `short` for a person, `text` with time and level, `json` for machines. */
  style: LogStyle;
  /** Least level that is written. */
  level: LogLevel;
}

const LEVELS: readonly LogLevel[] = ["debug", "info", "warning", "error"];

const encoder = new TextEncoder();

/**
 * Makes a logger.
 *
 * @param options Sink, masker, style and level.
 * @returns The logger.
 */
export function createLogger(options: LoggerOptions): Logger {
  const { sink, style, level } = options;
  const threshold = LEVELS.indexOf(level);
  let written: Promise<void> = Promise.resolve();
  function say(level: LogLevel) {
    return (component: string, message: string, fields: LogFields = {}) => {
      if (LEVELS.indexOf(level) < threshold) return;
      const { masker } = options;
      // Before a secret is escaped, it still looks like itself.
      const line = formatLine(
        style,
        level,
        masker.maskText(component),
        masker.maskText(message),
        Object.fromEntries(
          Object.entries(fields).map(([key, value]) => [
            masker.maskText(key),
            maskValue(masker, value),
          ]),
        ),
      );
      const writing = sink.write(encoder.encode(`${line}\n`));
      written = Promise.all([written, writing]).then(() => {});
      // Told to who flushes, and to nobody else.
      written.catch(() => {});
    };
  }
  return {
    debug: say("debug"),
    info: say("info"),
    warn: say("warning"),
    error: say("error"),
    flush() {
      const flushed = written;
      written = Promise.resolve();
      return flushed;
    },
  };
}

/** Tells the least level to write from the text of `LOG_LEVEL`. */
export function logLevelOf(text: string | undefined): LogLevel {
  const level = text?.toLowerCase();
  if (level === "warn") return "warning";
  return LEVELS.find((known) => known === level) ?? "info";
}

/** A number that holds a secret becomes text, others stay numbers. */
function maskValue(
  masker: Masker,
  value: LogFields[string],
): LogFields[string] {
  const masked = masker.maskText(String(value));
  return masked === String(value) ? value : masked;
}

function formatLine(
  style: LogStyle,
  level: LogLevel,
  component: string,
  message: string,
  fields: LogFields,
): string {
  if (style === "json") {
    const timestamp = new Date().toISOString();
    const hasFields = Object.keys(fields).length > 0;
    return JSON.stringify({
      timestamp,
      level,
      component,
      message,
      ...hasFields ? { fields } : {},
    });
  }
  const facts = Object.entries(fields).map(([key, value]) =>
    ` ${key}=${value}`
  );
  const mark = level === "info" ? "" : `${level}: `;
  const name = component.replaceAll("\n", "\\n");
  const line = style === "text"
    ? `${
      new Date().toISOString()
    } [${level.toUpperCase()}] [${name}] ${message}`
    : `[${name}] ${mark}${message}`;
  // What a repository or a plugin named must neither steer the terminal nor
  // look like another message.
  return printableLines(line + facts.join(""))
    .replace(/\n(?=\S)/g, "\n  ");
}
