import { readUntrusted } from "../../fs/read_untrusted.ts";
import type { CommandOutputs } from "../step.ts";

/** Most bytes that a step may write. */
const MAX_BYTES = 1024 * 1024;

const KEY = /^[A-Za-z_][A-Za-z0-9_-]{0,99}$/;

/**
 * Reads what a step wrote to the file in `REACTORCIDE_OUTPUT`.
 *
 * @param path Absolute path of the file.
 * @returns The outputs; none without a file.
 * @throws {Error} If the file cannot be read or understood, with the line.
 */
export async function readOutputs(path: string): Promise<CommandOutputs> {
  let bytes: Uint8Array;
  try {
    bytes = await readUntrusted(path, { maxBytes: MAX_BYTES });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return {};
    throw error;
  }
  return parseOutputs(decode(bytes));
}

/**
 * Parses outputs: lines `key=value`, and values of several lines between
 * `key<<WORD` and a line that is the word.
 *
 * @param text The whole text.
 * @returns The outputs; of a key that comes twice, the later value.
 * @throws {Error} If a line is none of these; values are not told.
 */
export function parseOutputs(text: string): CommandOutputs {
  const outputs: Record<string, string> = Object.create(null);
  const lines = text.split("\n").map((line) => line.replace(/\r$/, ""));
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at];
    if (line.trim() === "") continue;
    const [, key, sign, rest] = /^(.*?)(=|<<)(.*)$/s.exec(line) ?? [];
    if (sign === undefined) {
      throw new Error(`line ${at + 1} is neither key=value nor key<<WORD`);
    }
    if (!KEY.test(key)) {
      throw new Error(
        `line ${
          at + 1
        } has no valid key: letters, digits, "_" and "-" are allowed`,
      );
    }
    if (sign === "=") {
      outputs[key] = rest;
      continue;
    }
    const end = rest === "" ? -1 : lines.indexOf(rest, at + 1);
    if (end === -1) {
      throw new Error(`line ${at + 1} starts a value that does not end`);
    }
    outputs[key] = lines.slice(at + 1, end).join("\n");
    at = end;
  }
  return outputs;
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Error("it is not UTF-8 text");
  }
}
