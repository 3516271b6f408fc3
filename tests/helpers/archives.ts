import { joinBytes } from "../../src/bytes.ts";
import { encodeName } from "../../src/fs/byte_names.ts";

/** An entry of a tar archive, which may be invalid. */
export interface TarEntry {
  /** Name in the header; at most 100 bytes. */
  name: string;
  /** Type flag: `0` is a file, `1` a hard link, `2` a link, `5` a directory. */
  type?: string;
  /** Content of the entry. */
  content?: string | Uint8Array;
  /** Target of a link. */
  target?: string;
  /** Permission bits. */
  mode?: number;
  /** Size in the header, if it differs from that of the content. */
  size?: number;
}

/** Creates a complete tar archive. */
export function createTar(
  entries: readonly TarEntry[],
): Uint8Array<ArrayBuffer> {
  const blocks = entries.flatMap((entry) => {
    const content = typeof entry.content === "string"
      ? new TextEncoder().encode(entry.content)
      : entry.content ?? new Uint8Array();
    return [createHeader(entry, content.length), pad(content)];
  });
  return joinBytes([...blocks, new Uint8Array(1024)]);
}

/** Creates the content of an extended header. */
export function paxRecords(records: Record<string, string>): string {
  return Object.entries(records).map(([key, value]) => {
    const text = ` ${key}=${value}\n`;
    const bytes = new TextEncoder().encode(text).length;
    const length = bytes + String(bytes + String(bytes).length).length;
    return `${length}${text}`;
  }).join("");
}

/** Runs a program of the system, and throws its output if it fails. */
export async function runTool(
  cwd: string,
  program: string,
  ...args: string[]
): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args,
    cwd,
    env: { LC_ALL: "C.UTF-8" },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  if (success) return decoder.decode(stdout).trim();
  throw new Error(`${program} ${args.join(" ")}: ${decoder.decode(stderr)}`);
}

/**
 * Runs a shell script, which can create names that are not UTF-8, unlike Deno.
 */
export function runShell(cwd: string, script: string): Promise<string> {
  return runTool(cwd, "sh", "-euc", script);
}

/** Returns the SHA-256 as a ref. */
export async function computeChecksum(
  bytes: Uint8Array<ArrayBuffer>,
): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return `sha256:${new Uint8Array(digest).toHex()}`;
}

function createHeader(entry: TarEntry, length: number): Uint8Array {
  const block = new Uint8Array(512);
  const put = (text: string, offset: number) =>
    void block.set(encodeName(text), offset);
  const octal = (value: number, digits: number) =>
    value.toString(8).padStart(digits, "0");
  put(entry.name, 0);
  put(octal(entry.mode ?? 0o644, 7), 100);
  put(octal(0, 7), 108);
  put(octal(0, 7), 116);
  put(octal(entry.size ?? length, 11), 124);
  put(octal(1_700_000_000, 11), 136);
  put(" ".repeat(8), 148);
  put(entry.type ?? "0", 156);
  put(entry.target ?? "", 157);
  put("ustar\x0000", 257);
  put(`${octal(block.reduce((sum, byte) => sum + byte, 0), 6)}\0 `, 148);
  return block;
}

function pad(content: Uint8Array): Uint8Array {
  const block = new Uint8Array(Math.ceil(content.length / 512) * 512);
  block.set(content);
  return block;
}
