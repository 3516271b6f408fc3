import { joinBytes } from "../../src/bytes.ts";
import type { Masker } from "../../src/secrets/masker.ts";
import { listForms, secretPlaces } from "./naive_mask.ts";

const encoder = new TextEncoder();

/**
 * A piece of a stream, or a secret that is registered before the next piece.
 */
export type Event = Uint8Array | { secret: string };

/** Passes pieces through a stream of the masker, as a pump does. */
export function maskPieces(
  masker: Masker,
  events: readonly Event[],
): { text: string; outputs: string[] } {
  const stream = masker.stream();
  const decoder = new TextDecoder("latin1");
  const outputs: string[] = [];
  let held = new Uint8Array();
  const step = (piece: Uint8Array, isLast: boolean) => {
    const window = joinBytes([held, piece]);
    const { output, heldFrom } = stream.mask(window, isLast);
    outputs.push(decoder.decode(output));
    held = window.slice(heldFrom);
  };
  for (const event of events) {
    if (event instanceof Uint8Array) step(event, false);
    else masker.add(event.secret);
  }
  step(new Uint8Array(), true);
  return { text: outputs.join(""), outputs };
}

/** Splits a text at the given positions. */
export function cut(text: string, places: readonly number[]): Uint8Array[] {
  const bytes = encoder.encode(text);
  const bounds = [0, ...[...places].sort((a, b) => a - b), bytes.length];
  return bounds.slice(1).map((end, i) => bytes.slice(bounds[i], end));
}

/** Splits a text into single bytes. */
export function splitBytes(text: string): Uint8Array[] {
  return Array.from(encoder.encode(text), (byte) => Uint8Array.of(byte));
}

/**
 * Returns the expected output for a text that arrives in pieces, with secrets
 * that are registered between them. Neither contains anything to decode.
 */
export function naiveMaskLate(events: readonly (string | Late)[]): string {
  const known: string[] = [];
  const text = events.filter((event) => typeof event === "string").join("");
  const secret = new Array<boolean>(text.length).fill(false);
  let [received, printed] = [0, 0];
  for (const event of events) {
    if (typeof event === "string") {
      received += event.length;
      printed = received - naiveHeldCount(text.slice(printed, received), known);
    } else {
      known.push(event.secret);
      // Printed bytes are gone; the rest is examined again.
      secretPlaces(text.slice(printed), [event.secret]).forEach((is, at) => {
        if (is) secret[printed + at] = true;
      });
    }
  }
  return [...text].map((char, at) =>
    !secret[at] ? char : secret[at - 1] ? "" : "[REDACTED]"
  ).join("");
}

/** A secret to register. */
interface Late {
  secret: string;
}

/**
 * Returns how many characters at the end of a text without escapes and line
 * breaks may still become part of a secret.
 */
export function naiveHeldCount(
  text: string,
  secrets: readonly string[],
): number {
  let count = 0;
  for (const { bytes } of listForms(secrets)) {
    for (let length = count + 1; length < bytes.length; length++) {
      if (text.endsWith(bytes.slice(0, length))) count = length;
    }
  }
  return count;
}
