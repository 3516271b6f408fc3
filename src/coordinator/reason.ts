import { printable } from "../printable.ts";
import type { RawAnswer } from "./attempt.ts";

/** Most characters of a server's words that a message repeats. */
const LONGEST_REASON = 300;

/**
 * Words what the coordinator has refused, and why.
 *
 * @param answer The answer.
 * @returns The reason, worded to follow a colon.
 */
export function reasonOf({ status, text }: RawAnswer): string {
  const said = saidIn(text);
  const words = said.length > LONGEST_REASON
    ? `${said.slice(0, LONGEST_REASON)}…`
    : said;
  return `it answers ${status}${words && ` ${printable(words)}`}`;
}

/** What a proxy says is no JSON, and worth telling all the same. */
function saidIn(text: string): string {
  try {
    const { error, message } = JSON.parse(text);
    const parts = [error, message].filter((it) => typeof it === "string");
    return parts.join(": ");
  } catch {
    const [line] = text.trim().split(/\r?\n/, 1);
    return line.startsWith("<") ? "" : line;
  }
}
