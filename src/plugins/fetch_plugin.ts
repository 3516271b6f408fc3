import { messageOf, RunnerError } from "../errors.ts";
import type { PluginAddress } from "./address.ts";
import { fileUrl } from "./find_files.ts";
import type { PluginSource } from "./plugin_source.ts";
import { readManifest } from "./rights/manifest.ts";

/** Largest file that is fetched, in bytes. */
const LARGEST = 10 * 1024 * 1024;

/** Longest time that fetching may take, in milliseconds. */
const FETCH_MS = 60_000;

/** Gets what is at an address. */
export type Fetch = (url: string, signal: AbortSignal) => Promise<Response>;

/**
 * Fetches a plugin that is a file, compares it with its hash and keeps it.
 *
 * @param address An `https:` address.
 * @param directory Directory of its own, which nobody else can write to.
 * @param get Gets what is at an address.
 * @returns The plugin.
 * @throws {RunnerError} `plugin-failed`, if it cannot be got or is another one.
 */
export async function fetchPlugin(
  address: PluginAddress,
  directory: string,
  get: Fetch = (url, signal) => fetch(url, { signal }),
): Promise<PluginSource> {
  const { name, url } = address;
  try {
    const bytes = await download(url, get);
    await checkHash(bytes, address.hash);
    const extension = /\.(ts|js|mjs)$/.exec(new URL(url).pathname)?.[1] ?? "ts";
    const file = `${directory}/plugin.${extension}`;
    await Deno.writeFile(file, bytes);
    const asked = readManifest(new TextDecoder().decode(bytes));
    return {
      name,
      origin: url,
      cwd: directory,
      url: fileUrl(file),
      file,
      asked,
    };
  } catch (cause) {
    throw new RunnerError(`Cannot fetch plugin "${url}": ${messageOf(cause)}`, {
      code: "plugin-failed",
      cause,
    });
  }
}

async function download(
  url: string,
  get: Fetch,
): Promise<Uint8Array<ArrayBuffer>> {
  const response = await get(url, AbortSignal.timeout(FETCH_MS));
  if (!response.ok) {
    await response.body?.cancel();
    throw new Error(`the server answered with ${response.status}`);
  }
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.length;
    if (length > LARGEST) throw new Error(`it has more than ${LARGEST} bytes`);
    parts.push(part);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

async function checkHash(
  bytes: Uint8Array<ArrayBuffer>,
  wanted: string,
): Promise<void> {
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  const found = new Uint8Array(digest).toHex();
  if (found === wanted) return;
  throw new Error(`its hash is sha256-${found}, not sha256-${wanted}`);
}
