import { isSwitchedOn } from "../../boolean.ts";
import type { Host } from "../../host.ts";
import type { StepEvent } from "../../steps/step.ts";
import { shouldUseColor } from "../../terminal/color.ts";
import { openLiveView } from "./live_view.ts";

/** A process whose terminal shows how far a job is. */
export interface WatchedJob extends AsyncDisposable {
  /** The process, with streams that leave room for the view. */
  readonly host: Host;
  /** Shows what happens to the steps. */
  readonly onStepEvent: (event: StepEvent) => void;
}

/**
 * Shows the steps of a job at the bottom of the terminal as soon as there are
 * several.
 *
 * @param host The process.
 * @returns The watched process, to be disposed of when the job is over;
 * `undefined` without an interactive terminal.
 */
export function watchJob(host: Host): WatchedJob | undefined {
  if (!isInteractive(host)) return undefined;
  const view = openLiveView({
    stdout: host.stdout,
    stderr: host.stderr,
    columns: () => host.consoleSize?.()?.columns ?? 80,
    rows: () => host.consoleSize?.()?.rows ?? 24,
    color: shouldUseColor(host.env, true),
    now: () => performance.now(),
  });
  let isShown = false;
  return {
    host: { ...host, stdout: view.stdout, stderr: view.stderr },
    onStepEvent(event) {
      if (event.type === "planned") isShown = event.steps.length > 1;
      // One step prints as it likes, and may leave half a line to be seen.
      if (isShown) view.onEvent(event);
    },
    [Symbol.asyncDispose]: () => view.close(),
  };
}

/**
 * Decides whether a view may be drawn and drawn again on the terminal.
 *
 * That needs a person who watches: both streams are terminals that can move
 * their cursor, and `CI` is not set, for a terminal in CI is a recording.
 *
 * @param host The process.
 * @returns Whether somebody watches.
 */
export function isInteractive(
  host: Pick<Host, "env" | "stdout" | "stderr">,
): boolean {
  const { env, stdout, stderr } = host;
  if (isSwitchedOn(env.CI) || env.TERM === "dumb") return false;
  return stdout.isTerminal() && stderr.isTerminal();
}
