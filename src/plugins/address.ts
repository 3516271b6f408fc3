import { RunnerError } from "../errors.ts";

/** A plugin at an address, and the hash by which it is known. */
export interface PluginAddress {
  /** Name under which rights are granted to it. */
  readonly name: string;
  /** The address, without the hash. */
  readonly url: string;
  /** How it is got. */
  readonly scheme: "https" | "npm" | "jsr";
  /** Package and version, for those of a registry: `@scope/name@1.2.3`. */
  readonly pinned?: string;
  /** Kind of the hash. */
  readonly algorithm: "sha256" | "sha512";
  /** The hash: hexadecimal for `sha256`, base64 for `sha512`. */
  readonly hash: string;
}

const HASH = /^(.*)#(sha256|sha512)-([A-Za-z0-9+/=]+)$/s;

const PACKAGE =
  /^(npm|jsr):\/?((?:@[\w.-]+\/)?[\w.-]+)@(\d+\.\d+\.\d+(?:-[\w.-]+)?)(?:\/.*)?$/;

/**
 * Reads the address of a plugin: `URL#sha256-HASH`.
 *
 * The hash of an `https:` address is that of the file; that of a package is
 * the one that Deno writes into `deno.lock`.
 *
 * @param text Address and hash.
 * @returns The address.
 * @throws {RunnerError} `invalid-config`, if it is none or not pinned.
 */
export function parseAddress(text: string): PluginAddress {
  const [, url, kind, written] = HASH.exec(text) ?? [];
  if (url === undefined) {
    throw wrong(text, "it has no hash: #sha256-… is to follow it");
  }
  const algorithm = kind as "sha256" | "sha512";
  const hash = algorithm === "sha512" ? written : hexOf(written);
  if (hash === undefined) throw wrong(text, "its hash is no sha256");
  if (URL.canParse(url) && url.startsWith("https://")) {
    if (algorithm !== "sha256") throw wrong(text, "its hash is no sha256");
    return { name: fileName(url), url, scheme: "https", algorithm, hash };
  }
  const [, scheme, name, version] = PACKAGE.exec(url) ?? [];
  if (name === undefined) {
    throw wrong(
      text,
      "it is neither https:// nor npm: or jsr: with an exact version",
    );
  }
  if ((scheme === "npm") !== (algorithm === "sha512")) {
    throw wrong(text, "a package of npm has a sha512, one of jsr a sha256");
  }
  return {
    name,
    url,
    scheme: scheme as "npm" | "jsr",
    pinned: `${name}@${version}`,
    algorithm,
    hash,
  };
}

/** Hashes are written in hexadecimal digits, or as browsers have them. */
function hexOf(written: string): string | undefined {
  if (/^[0-9a-f]{64}$/i.test(written)) return written.toLowerCase();
  if (!/^[A-Za-z0-9+/]{43}=$/.test(written)) return undefined;
  return Uint8Array.fromBase64(written).toHex();
}

function fileName(url: string): string {
  const [last = ""] = new URL(url).pathname.split("/").slice(-1);
  return last.replace(/\.\w+$/, "").replace(/^plugin_/, "") || "plugin";
}

function wrong(text: string, state: string): RunnerError {
  return new RunnerError(`Cannot use plugin "${text}": ${state}`, {
    code: "invalid-config",
  });
}
