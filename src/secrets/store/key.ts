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
