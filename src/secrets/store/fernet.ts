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
