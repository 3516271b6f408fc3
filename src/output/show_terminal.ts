import { joinBytes } from "../bytes.ts";
import { onAbort } from "../process/cancellation.ts";
import type { ByteStream } from "../process/spawn.ts";
import { settlesWithin } from "../process/time_limit.ts";
import type { Masker } from "../secrets/masker.ts";
import type { Sink } from "./sink.ts";

/**
 * Time without output after which control sequences are shown, in milliseconds.
 */
const IDLE_MS = 20;

/** Control sequences and nothing else. */
const SEQUENCES =
  // deno-lint-ignore no-control-regex
  /^(?:\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()*+#%][ -~]|[0-Z\\^-~]))+$/;

/** Options for {@linkcode showTerminal}. */
export interface ShowTerminalOptions {
  /** Masker of the job. */
  masker: Masker;
  /** Stops reading. */
  stop: AbortSignal;
}

/**
 * Copies the output of a pseudo-terminal to a terminal, masked.
 *
 * Text that could be the beginning of a secret is held back until more output
 * arrives. Control sequences between two parts of a secret are held back as
 * well. Those at the end of the output are not, because they move the cursor or
 * query the terminal.
 *
 * @param stream Output of the pseudo-terminal.
 * @param sink Receives the masked output.
 * @param options Masker, and how to stop.
 */
export async function showTerminal(
  stream: ByteStream,
  sink: Sink,
  { masker, stop }: ShowTerminalOptions,
): Promise<void> {
  const reader = stream.getReader();
  using _ = onAbort(stop, () => void reader.cancel().catch(() => {}));
  let mask = masker.stream();
  let held: Uint8Array<ArrayBuffer> = new Uint8Array();
  let isDone = false;

  async function show(
    window: Uint8Array<ArrayBuffer>,
    isComplete: boolean,
  ): Promise<void> {
    const { output, heldFrom } = mask.mask(window, isComplete);
    held = window.slice(heldFrom);
    if (output.length > 0) await sink.write(output);
    if (isComplete) mask = masker.stream();
  }

  while (!isDone) {
    const reading = reader.read();
    if (isSequences(held) && !await settlesWithin(reading, IDLE_MS)) {
      await show(held, true);
    }
    const { value, done } = await reading;
    isDone = done;
    if (value !== undefined) await show(joinBytes([held, value]), false);
  }
  await show(held, true);
}

function isSequences(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1b && SEQUENCES.test(new TextDecoder().decode(bytes));
}
