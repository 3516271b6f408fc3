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
}
