/** First byte of a token. */
export const FERNET_VERSION = 0x80;

const TIME_AT = 1;
const IV_AT = 9;
const TEXT_AT = 25;
const BLOCK_BYTES = 16;
const MAC_BYTES = 32;

const HMAC = { name: "HMAC", hash: "SHA-256" };

/** The two keys of Fernet, neither of which can be read back. */
export interface FernetKey {
  /** Key that signs tokens. */
  readonly signing: CryptoKey;
  /** Key that encrypts their content. */
  readonly encryption: CryptoKey;
}

/** Options for {@linkcode encryptFernet}. */
export interface EncryptFernetOptions {
  /**
   * When the token is made, in seconds since 1970.
   *
   * @default {now}
   */
  time?: number;
  /**
   * Initialisation vector, 16 bytes that are used once.
   *
   * @default {random bytes}
   */
  iv?: Uint8Array<ArrayBuffer>;
}

/**
 * Makes keys of Fernet from their bytes.
 *
 * @param bytes 32 bytes: the first half signs, the second one encrypts.
 * @returns The keys.
 */
export async function importFernetKey(
  bytes: Uint8Array<ArrayBuffer>,
): Promise<FernetKey> {
  const [signing, encryption] = await Promise.all([
    crypto.subtle.importKey("raw", bytes.slice(0, 16), HMAC, false, [
      "sign",
      "verify",
    ]),
    crypto.subtle.importKey("raw", bytes.slice(16), "AES-CBC", false, [
      "encrypt",
      "decrypt",
    ]),
  ]);
  return { signing, encryption };
}

/**
 * Encrypts and signs bytes as a Fernet token.
 *
 * @param key Keys.
 * @param content Bytes.
 * @param options Additional options.
 * @returns The token as bytes, without its usual base64.
 *
 * @see {@link https://github.com/fernet/spec/blob/master/Spec.md}
 */
export async function encryptFernet(
  key: FernetKey,
  content: Uint8Array<ArrayBuffer>,
  options: EncryptFernetOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const {
    time = Math.floor(Date.now() / 1000),
    iv = crypto.getRandomValues(new Uint8Array(BLOCK_BYTES)),
  } = options;
  const text = new Uint8Array(
    await crypto.subtle.encrypt(
      { name: "AES-CBC", iv },
      key.encryption,
      content,
    ),
  );
  const token = new Uint8Array(TEXT_AT + text.length + MAC_BYTES);
  const view = new DataView(token.buffer);
  view.setUint8(0, FERNET_VERSION);
  view.setBigUint64(TIME_AT, BigInt(time));
  token.set(iv, IV_AT);
  token.set(text, TEXT_AT);
  const signed = token.subarray(0, -MAC_BYTES);
  const mac = await crypto.subtle.sign(HMAC, key.signing, signed);
  token.set(new Uint8Array(mac), signed.length);
  return token;
}

/**
 * Verifies and decrypts a Fernet token, however old it is.
 *
 * @param key Keys.
 * @param token The token as bytes.
 * @returns Its content; `undefined` if it was not made with these keys, or was
 * changed since: nothing tells the two apart.
 */
export async function decryptFernet(
  key: FernetKey,
  token: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const textBytes = token.length - TEXT_AT - MAC_BYTES;
  if (textBytes < BLOCK_BYTES || textBytes % BLOCK_BYTES !== 0) {
    return undefined;
  }
  const signed = token.subarray(0, -MAC_BYTES);
  const mac = token.subarray(-MAC_BYTES);
  // Compares in constant time, and before anything is decrypted.
  const isGenuine = await crypto.subtle.verify(HMAC, key.signing, mac, signed);
  if (!isGenuine || token[0] !== FERNET_VERSION) return undefined;
  try {
    const iv = token.subarray(IV_AT, TEXT_AT);
    const text = signed.subarray(TEXT_AT);
    return new Uint8Array(
      await crypto.subtle.decrypt(
        { name: "AES-CBC", iv },
        key.encryption,
        text,
      ),
    );
  } catch {
    // Signed with the right key, but padded wrongly: no token all the same.
    return undefined;
  }
}

/** Cost of a key: about a second and 256 MiB; that of every program that shares the store. */
export const SCRYPT_COST = 2 ** 18;

const BLOCK_SIZE = 8;
const KEY_BYTES = 32;

/** Options for {@linkcode deriveKey}. */
export interface DeriveKeyOptions {
  /**
   * Cost N of scrypt, a power of two. Another one opens no store but its own:
   * it is there for tests.
   *
   * @default {SCRYPT_COST}
   */
  cost?: number;
}

/**
 * Derives the key of a store from its password (scrypt, r=8, p=1).
 *
 * @param password Password; its UTF-8 bytes count.
 * @param salt Salt of the store.
 * @param options Additional options.
 * @returns 32 bytes.
 */
export async function deriveKey(
  password: string,
  salt: Uint8Array,
  options: DeriveKeyOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const { cost = SCRYPT_COST } = options;
  // WebCrypto knows no scrypt. The module costs too much to load it earlier.
  const { scrypt } = await import("node:crypto");
  const limits = {
    N: cost,
    r: BLOCK_SIZE,
    p: 1,
    // Twice what it needs, for its own limit of 32 MiB is too small.
    maxmem: 2 * 128 * BLOCK_SIZE * cost,
  };
  return await new Promise((resolve, reject) =>
    scrypt(password, salt, KEY_BYTES, limits, (error, key) => {
      if (error) reject(error);
      else resolve(new Uint8Array(key));
    })
  );
}

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
 * Creates the content of a file that holds a token.
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
