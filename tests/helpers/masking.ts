import { formsOf, spreadFormsOf } from "../../src/secrets/forms.ts";
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

/** A text without some of its characters, and where the others stood. */
interface View {
  text: string;
  places: number[];
}

/** A code for a terminal, broken off or not. */
const CODE =
  // deno-lint-ignore no-control-regex
  /\x1b(?:\[[\x20-\x3f]*[\x40-\x7e]?|\][^\x00-\x1f\x7f]*\x07?|[\x20-\x2f]+[\x30-\x7e]?|[\x30-\x5a\x5c\x5e-\x7e])?/g;

/** What the secrets are looked for in, with those that are looked for there. */
function viewsOf(
  text: string,
  secrets: readonly string[],
): [View, string[]][] {
  const withSpace = text.replace(CODE, (code) => "\x1b".repeat(code.length));
  const withoutSpace = withSpace.replace(/[\t-\r ]/g, "\x1b");
  const forms = secrets.flatMap((it) => [...formsOf(it)])
    .filter((form) => form.length >= 4);
  return [
    [{ text, places: [...text].map((_, at) => at) }, forms],
    [without(withSpace), forms],
    [without(withoutSpace), secrets.flatMap((it) => [...spreadFormsOf(it)])],
  ];
}

function without(text: string): View {
  const places = [...text].flatMap((char, at) => char === "\x1b" ? [] : [at]);
  return { text: places.map((at) => text[at]).join(""), places };
}

/** What masking must give for secrets in all their forms, computed the slow and plain way. */
export function naiveMask(
  text: string,
  secrets: readonly string[],
  placeholder = "[REDACTED]",
): string {
  const secret = secretPlaces(text, secrets);
  let masked = "";
  for (let at = 0; at < text.length; at++) {
    if (!secret[at]) masked += text[at];
    else if (!secret[at - 1]) masked += placeholder;
  }
  return masked;
}

/** The same for a text that comes in pieces, with secrets that become known between them. */
export function naiveMaskLate(events: readonly (string | Late)[]): string {
  const known: string[] = [];
  const text = events.filter((it) => typeof it === "string").join("");
  const secret = new Array<boolean>(text.length).fill(false);
  let [come, printed] = [0, 0];
  for (const event of events) {
    if (typeof event === "string") {
      come += event.length;
      printed = come - naiveHeldCount(text.slice(printed, come), known);
    } else {
      known.push(event.secret);
      // What was printed is out; the rest is looked at again.
      secretPlaces(text.slice(printed), [event.secret]).forEach((is, at) => {
        if (is) secret[printed + at] = true;
      });
    }
  }
  return [...text].map((char, at) =>
    !secret[at] ? char : secret[at - 1] ? "" : "[REDACTED]"
  ).join("");
}

/** A secret that becomes known. */
interface Late {
  secret: string;
}

function secretPlaces(text: string, secrets: readonly string[]): boolean[] {
  const secret = new Array<boolean>(text.length).fill(false);
  for (const [view, needles] of viewsOf(text, secrets)) {
    for (const needle of needles) {
      for (
        let at = view.text.indexOf(needle);
        at >= 0;
        at = view.text.indexOf(needle, at + 1)
      ) {
        const end = view.places[at + needle.length - 1] + 1;
        secret.fill(true, view.places[at], end);
      }
    }
  }
  return secret;
}

/** How many characters at the end of a text may still become a part of a secret. */
export function naiveHeldCount(
  text: string,
  secrets: readonly string[],
): number {
  let count = 0;
  for (const [view, needles] of viewsOf(text, secrets)) {
    for (const needle of needles) {
      for (let length = 1; length < needle.length; length++) {
        if (!view.text.endsWith(needle.slice(0, length))) continue;
        const start = view.places[view.text.length - length];
        count = Math.max(count, text.length - start);
      }
    }
  }
  return count;
}
