/** First byte of a token. */
const FERNET_VERSION = 0x80;

const TIME_AT = 1;
const IV_AT = 9;
const TEXT_AT = 25;
const BLOCK_BYTES = 16;
const MAC_BYTES = 32;

const HMAC = { name: "HMAC", hash: "SHA-256" };

/** The two keys of Fernet; neither can be exported. */
export interface FernetKey {
  /** Key that signs tokens. */
  readonly signing: CryptoKey;
  /** Key that encrypts the content of tokens. */
  readonly encryption: CryptoKey;
}

/** Options for {@linkcode encryptFernet}. */
export interface EncryptFernetOptions {
  /**
   * Creation time of the token, in seconds since 1970.
   *
   * @default {now}
   */
  time?: number;
  /**
   * Initialization vector: 16 bytes, used only once.
   *
   * @default {random bytes}
   */
  iv?: Uint8Array<ArrayBuffer>;
}

/**
 * Imports the keys of Fernet.
 *
 * @param bytes 32 bytes: the first half signs, the second half encrypts.
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
 * @returns The token as raw bytes, not encoded as base64.
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
 * Verifies and decrypts a Fernet token of any age.
 *
 * @param token The token as raw bytes.
 * @returns Its content; `undefined` if it was created with other keys or has
 * been changed, which cannot be distinguished.
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
  // The MAC is compared in constant time, before anything is decrypted.
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
    // Signed with the right key, but with invalid padding.
    return undefined;
  }
}

/**
 * Cost of deriving a key: about a second and 256 MiB. All programs that share
 * the store use the same cost.
 */
export const SCRYPT_COST = 2 ** 18;

const BLOCK_SIZE = 8;
const KEY_BYTES = 32;

/** Options for {@linkcode deriveKey}. */
export interface DeriveKeyOptions {
  /**
   * Cost N of scrypt, a power of two. For tests: other programs cannot open a
   * store with another cost.
   *
   * @default {SCRYPT_COST}
   */
  cost?: number;
}

/**
 * Derives the key of a store from its password (scrypt, r=8, p=1).
 *
 * @param password Password, encoded as UTF-8.
 * @param salt Salt of the store.
 * @returns 32 bytes.
 */
export async function deriveKey(
  password: string,
  salt: Uint8Array,
  options: DeriveKeyOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const { cost = SCRYPT_COST } = options;
  // WebCrypto does not support scrypt. The module is too slow to load earlier.
  const { scrypt } = await import("node:crypto");
  const limits = {
    N: cost,
    r: BLOCK_SIZE,
    p: 1,
    // Twice the required memory; the default limit of 32 MiB is too small.
    maxmem: 2 * 128 * BLOCK_SIZE * cost,
  };
  return await new Promise((resolve, reject) =>
    scrypt(password, salt, KEY_BYTES, limits, (error, key) => {
      if (error) reject(error);
      else resolve(new Uint8Array(key));
    })
  );
}

/** Encoding of a token in a file: URL-safe base64, or raw bytes. */
export type TokenEncoding = "base64" | "raw";

/** A token and its encoding in a file. */
export interface EncodedToken {
  /** The token as raw bytes. */
  readonly token: Uint8Array<ArrayBuffer>;
  /** Encoding in the file. */
  readonly encoding: TokenEncoding;
}

/**
 * Decodes the token in a file.
 *
 * Programs that share a store use different encodings. The first byte
 * distinguishes them: a raw token starts with 0x80, which is not base64.
 *
 * @param content Content of the file.
 * @returns The token; `undefined` if the content is not a token.
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
    // The content is not a token.
    return undefined;
  }
}

/**
 * Encodes a token for a file.
 *
 * @param encoded The token and its encoding.
 * @returns Content of the file.
 */
export function encodeToken(
  { token, encoding }: EncodedToken,
): Uint8Array<ArrayBuffer> {
  if (encoding === "raw") return token;
  return new TextEncoder().encode(token.toBase64({ alphabet: "base64url" }));
}
