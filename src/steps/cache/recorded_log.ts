import { GrowingBytes, joinBytes } from "../../bytes.ts";
import {
  MAX_LOG_BYTES,
  MAX_LOG_PARTS,
  type StoredLog,
  type StoredLogPart,
} from "../../cache/step_entry.ts";
import type { StepLog } from "../../output/job_log.ts";
import type { Sink } from "../../output/sink.ts";
import { MaskStream } from "../../secrets/mask/mask_stream.ts";
import type { Masker } from "../../secrets/masker.ts";

/** The log of a step that is recorded while it is written. */
export interface RecordedLog {
  /** The log that writes to the other one. */
  readonly log: StepLog;
  /**
   * Returns the recorded output. All secrets that are known by now are masked, even
   * while masking is off.
   *
   * @returns `undefined` if it is too long.
   */
  content(
    masker: Masker,
  ): { parts: StoredLogPart[]; bytes: Uint8Array<ArrayBuffer> } | undefined;
}

/** Records what is written to a log. */
export function recordLog(log: StepLog): RecordedLog {
  const bytes = new GrowingBytes();
  const parts: { stream: StoredLogPart["stream"]; length: number }[] = [];
  let isTooLong = false;
  const record = (stream: StoredLogPart["stream"], sink: Sink): Sink => ({
    write(chunk) {
      isTooLong ||= bytes.length + chunk.length > MAX_LOG_BYTES ||
        parts.length === MAX_LOG_PARTS;
      if (!isTooLong && chunk.length > 0) {
        bytes.add(chunk);
        const last = parts.at(-1);
        if (last?.stream === stream) last.length += chunk.length;
        else parts.push({ stream, length: chunk.length });
      }
      return sink.write(chunk);
    },
  });
  return {
    log: {
      stdout: record("stdout", log.stdout),
      stderr: record("stderr", log.stderr),
      get path() {
        return log.path;
      },
      get lastOutputMs() {
        return log.lastOutputMs;
      },
      endLine: () => log.endLine(),
      tail: (lineCount) => log.tail(lineCount),
      close: () => log.close(),
    },
    content(masker) {
      if (isTooLong) return undefined;
      const masked = maskParts(
        bytes.view.slice(),
        parts,
        () => new MaskStream(masker),
      );
      return {
        parts: masked.map(({ stream, bytes }) => ({
          stream,
          length: bytes.length,
        })),
        bytes: joinBytes(masked.map(({ bytes }) => bytes)),
      };
    },
  };
}

/** Writes a stored log as if the step had written it now. */
export async function replayLog(
  log: StepLog,
  { parts }: Pick<StoredLog, "parts">,
  bytes: Uint8Array<ArrayBuffer>,
  masker: Masker,
): Promise<void> {
  const masked = masker.formTotal === 0
    ? splitParts(bytes, parts)
    : maskParts(bytes, parts, () => masker.stream());
  for (const part of masked) {
    await log[part.stream].write(part.bytes);
  }
}

interface Part {
  readonly stream: StoredLogPart["stream"];
  readonly bytes: Uint8Array;
}

/** Masks each stream separately, because a secret may span several parts of a stream. */
function maskParts(
  bytes: Uint8Array<ArrayBuffer>,
  parts: readonly StoredLogPart[],
  open: () => MaskStream,
): Part[] {
  const masked: Part[] = [];
  const streams = new Map<StoredLogPart["stream"], number>();
  parts.forEach(({ stream }, at) => streams.set(stream, at));
  const state = new Map(
    [...streams.keys()].map((stream) => [stream, {
      mask: open(),
      held: new Uint8Array(),
    }]),
  );
  for (
    const [at, { stream, bytes: part }] of splitParts(bytes, parts).entries()
  ) {
    const current = state.get(stream)!;
    const window = joinBytes([current.held, part]);
    const isLast = streams.get(stream) === at;
    const { output, heldFrom } = current.mask.mask(window, isLast);
    masked.push({ stream, bytes: output.slice() });
    current.held = isLast ? new Uint8Array() : window.slice(heldFrom);
  }
  return masked.filter(({ bytes }) => bytes.length > 0);
}

function splitParts(
  bytes: Uint8Array<ArrayBuffer>,
  parts: readonly StoredLogPart[],
): Part[] {
  let at = 0;
  return parts.map(({ stream, length }) => ({
    stream,
    bytes: bytes.subarray(at, at += length),
  }));
}
