import { formsOf } from "../../src/secrets/forms.ts";
import type { Masker } from "../../src/secrets/masker.ts";

const encoder = new TextEncoder();

/** A piece of a stream, or a secret that is registered before the next piece. */
export type Event = Uint8Array | { secret: string };

/** Sends pieces through a stream of the masker as a pump does. */
export function maskPieces(
  masker: Masker,
  events: readonly Event[],
): { text: string; outputs: string[] } {
  const stream = masker.stream();
  const decoder = new TextDecoder("latin1");
  const outputs: string[] = [];
  let held = new Uint8Array();
  const step = (piece: Uint8Array, isLast: boolean) => {
    const window = new Uint8Array(held.length + piece.length);
    window.set(held);
    window.set(piece, held.length);
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

/** Cuts a text into pieces at the given places. */
export function cut(text: string, places: readonly number[]): Uint8Array[] {
  const bytes = encoder.encode(text);
  const bounds = [0, ...[...places].sort((a, b) => a - b), bytes.length];
  return bounds.slice(1).map((end, i) => bytes.slice(bounds[i], end));
}

/** Each byte as a piece of its own. */
export function bytewise(text: string): Uint8Array[] {
  return Array.from(encoder.encode(text), (byte) => Uint8Array.of(byte));
}

/** What masking must give for secrets in all their forms, computed the slow and plain way. */
export function naiveMask(
  text: string,
  secrets: readonly string[],
  placeholder = "[REDACTED]",
): string {
  const secret = new Array<boolean>(text.length).fill(false);
  for (const needle of secrets.flatMap((it) => [...formsOf(it)])) {
    if (needle.length < 4) continue;
    for (
      let at = text.indexOf(needle);
      at >= 0;
      at = text.indexOf(needle, at + 1)
    ) {
      secret.fill(true, at, at + needle.length);
    }
  }
  let masked = "";
  for (let at = 0; at < text.length; at++) {
    if (!secret[at]) masked += text[at];
    else if (!secret[at - 1]) masked += placeholder;
  }
  return masked;
}
