import { FERNET_VERSION } from "./fernet.ts";

/** How a file holds a token: as URL-safe base64, or as the bytes themselves. */
export type TokenEncoding = "base64" | "raw";

/** A token and how its file holds it. */
export interface EncodedToken {
  /** The token. */
  readonly token: Uint8Array<ArrayBuffer>;
  /** How the file holds it. */
  readonly encoding: TokenEncoding;
}

/**
 * Reads the token off the content of a file.
 *
 * The programs that share a store do not agree on an encoding. The first byte
 * tells them apart: that of a token, 0x80, is no character of base64.
 *
 * @param content Content of the file.
 * @returns The token; `undefined` if it is neither of the two.
 */
export function decodeToken(
  content: Uint8Array<ArrayBuffer>,
): EncodedToken | undefined {
  if (content[0] === FERNET_VERSION) return { token: content, encoding: "raw" };
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(content);
    const token = Uint8Array.fromBase64(text, { alphabet: "base64url" });
    return { token, encoding: "base64" };
  } catch {
    // Whatever it is, it is no token.
    return undefined;
  }
}

/**
 * Makes the content of a file that holds a token.
 *
 * @param encoded The token and its encoding.
 * @returns Content.
 */
export function encodeToken(
  { token, encoding }: EncodedToken,
): Uint8Array<ArrayBuffer> {
  if (encoding === "raw") return token;
  return new TextEncoder().encode(token.toBase64({ alphabet: "base64url" }));
}
