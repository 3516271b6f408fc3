import type { Masker } from "../secrets/masker.ts";
import { printableLines, withoutCommands } from "../terminal/text.ts";
import type { Sink } from "./sink.ts";

/** Severity of a message. */
export type LogLevel = "debug" | "info" | "warning" | "error";

/** Structured fields of a message. */
export type LogFields = Readonly<Record<string, string | number | boolean>>;

/** Logger for the messages of the runner itself. */
export interface Logger {
  /** Logs details for debugging the runner. */
  debug(component: string, message: string, fields?: LogFields): void;
  /** Logs progress of a run. */
  info(component: string, message: string, fields?: LogFields): void;
  /** Logs a possible problem; the job continues. */
  warn(component: string, message: string, fields?: LogFields): void;
  /** Logs an error. */
  error(component: string, message: string, fields?: LogFields): void;
  /** Resolves once all earlier messages were written. */
  flush(): Promise<void>;
}

/** Format of messages. */
export type LogStyle = "short" | "text" | "json";

/** Options for {@linkcode createLogger}. */
export interface LoggerOptions {
  /** Destination of messages. */
  sink: Sink;
  /** Masker of the job. */
  masker: Masker;
  /** `short` for people, `text` with time and level, `json` for programs. */
  style: LogStyle;
  /** Minimum level. */
  level: LogLevel;
  /**
   * Whether warnings and errors for people have a color.
   *
   * @default {false}
   */
  color?: boolean;
}

const LEVELS: readonly LogLevel[] = ["debug", "info", "warning", "error"];

const encoder = new TextEncoder();

/** Creates a logger, which masks secrets in messages and fields. */
export function createLogger(options: LoggerOptions): Logger {
  const { sink, style, level, color = false } = options;
  const threshold = LEVELS.indexOf(level);
  let written: Promise<void> = Promise.resolve();
  function logAt(level: LogLevel) {
    return (component: string, message: string, fields: LogFields = {}) => {
      if (LEVELS.indexOf(level) < threshold) return;
      const { masker } = options;
      // Values are masked before they are formatted, since escaping would hide
      // a secret.
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
      const shown = color && style === "short" ? colorLevel(line, level) : line;
      const writing = sink.write(encoder.encode(`${shown}\n`));
      written = Promise.all([written, writing]).then(() => {});
      // `flush()` reports the error.
      written.catch(() => {});
    };
  }
  return {
    debug: logAt("debug"),
    info: logAt("info"),
    warn: logAt("warning"),
    error: logAt("error"),
    flush() {
      const flushed = written;
      written = Promise.resolve();
      return flushed;
    },
  };
}

/** Colors the word that marks a warning or an error. */
function colorLevel(line: string, level: LogLevel): string {
  const code = level === "error" ? 31 : level === "warning" ? 33 : undefined;
  return code === undefined
    ? line
    : line.replace(/^(\[[^\]]*\] )(\w+:)/, `$1\x1b[${code}m$2\x1b[39m`);
}

/**
 * Parses `LOG_LEVEL`. Unknown levels become `info`, and `fatal`, which the
 * runner does not have, `error`.
 */
export function parseLogLevel(text: string | undefined): LogLevel {
  const level = text?.toLowerCase();
  if (level === "warn") return "warning";
  if (level === "fatal") return "error";
  return LEVELS.find((known) => known === level) ?? "info";
}

/** Masks a value. A number stays a number unless it contains a secret. */
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
  // Names from a repository or a plugin must not control the terminal or look
  // like another message, or a command.
  const lines = printableLines(line + facts.join(""))
    .replace(/\n(?=\S)/g, "\n  ");
  return withoutCommands(lines);
}
