import { assertEquals, assertNotEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  decodeToken,
  decryptFernet,
  deriveKey,
  encodeToken,
  encryptFernet,
  importFernetKey,
} from "../../src/secrets/store/fernet.ts";
import { Random } from "../helpers/random.ts";

const KEY_HEX =
  "ffc6f83108cb7fcc3c27b40ae4f141c528ba1e3e294530367a9365c37fa2cad5";
const TOKEN_TEXT =
  "gAAAAABlU_EAAAECAwQFBgcICQoLDA0OD4sR-TBXhGmTTtRyL4-Vx4V-RhY3JgW90drJvboj0YdSlTn9uN-CUwZn15SHEcZEry51MO73zFshoEtcCHV1IARMXvFDQ8qosnDV1biY6Ks3";
const PLAINTEXT = `{"demo/app": {"TOKEN": "s3cr3t-value"}}`;

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const token = decodeToken(encoder.encode(TOKEN_TEXT))!.token;
const knownKey = () => importFernetKey(Uint8Array.fromHex(KEY_HEX));

describe("deriveKey()", () => {
  it("derives the key of the known-answer vector at the default cost", async () => {
    const salt = Uint8Array.from({ length: 32 }, (_, at) => at);
    assertEquals((await deriveKey("correct horse", salt)).toHex(), KEY_HEX);
  });

  it("uses the UTF-8 bytes of a password, and any cost", async () => {
    const salt = new Uint8Array(32);
    const cheap = await deriveKey("pässwörd 🔑", salt, { cost: 16 });
    assertEquals(
      cheap.toHex(),
      "603267c3cc27de3b900e65834e1cb401b6eb5978afc2414f38c0a3ae98b13f06",
    );
    assertNotEquals(
      (await deriveKey("pässwörd 🔑", salt, { cost: 32 })).toHex(),
      cheap.toHex(),
    );
  });
});

describe("decryptFernet()", () => {
  it("opens the token of the known-answer vector", async () => {
    const bytes = await decryptFernet(await knownKey(), token);
    assertEquals(decoder.decode(bytes), PLAINTEXT);
  });

  it("rejects a token with any changed byte", async () => {
    const key = await knownKey();
    for (let at = 0; at < token.length; at++) {
      const changed = token.slice();
      changed[at] ^= 1 << (at % 8);
      assertEquals(await decryptFernet(key, changed), undefined, `byte ${at}`);
    }
  });

  it("rejects a truncated or extended token", async () => {
    const key = await knownKey();
    for (let length = 0; length < token.length; length++) {
      assertEquals(
        await decryptFernet(key, token.slice(0, length)),
        undefined,
        `${length} bytes`,
      );
    }
    for (const more of [1, 16]) {
      const longer = new Uint8Array(token.length + more);
      longer.set(token);
      assertEquals(await decryptFernet(key, longer), undefined);
    }
  });

  it("rejects a token of another key, in either half", async () => {
    for (const at of [0, 31]) {
      const bytes = Uint8Array.fromHex(KEY_HEX);
      bytes[at] ^= 1;
      const opened = await decryptFernet(await importFernetKey(bytes), token);
      // The second half only decrypts, so its output is not the original text.
      assertNotEquals(opened && decoder.decode(opened), PLAINTEXT);
      if (at === 0) assertEquals(opened, undefined);
    }
  });
});

describe("encryptFernet()", () => {
  it("creates the token of the known-answer vector", async () => {
    const made = await encryptFernet(
      await knownKey(),
      encoder.encode(PLAINTEXT),
      { time: 1_700_000_000, iv: Uint8Array.from({ length: 16 }, (_, i) => i) },
    );
    assertEquals(made.toHex(), token.toHex());
  });

  it("never creates the same token twice", async () => {
    const key = await knownKey();
    const [a, b] = await Promise.all(
      [1, 2].map(() => encryptFernet(key, encoder.encode(PLAINTEXT))),
    );
    assertNotEquals(a.toHex(), b.toHex());
  });

  it("creates tokens that can be decrypted, of any length and in both encodings", async () => {
    const random = new Random();
    for (let length = 0; length < 100; length++) {
      const bytes = Uint8Array.from({ length }, () => random.below(256));
      const key = await importFernetKey(
        Uint8Array.from({ length: 32 }, () => random.below(256)),
      );
      const made = await encryptFernet(key, bytes);
      for (const encoding of ["base64", "raw"] as const) {
        const read = decodeToken(encodeToken({ token: made, encoding }))!;
        assertEquals(read.encoding, encoding);
        assertEquals(
          await decryptFernet(key, read.token),
          bytes,
          `seed ${random.seed}`,
        );
      }
    }
  });
});

describe("decodeToken()", () => {
  it("accepts whitespace around base64, and missing padding", () => {
    for (
      const text of [`${TOKEN_TEXT}\n`, ` ${TOKEN_TEXT}\r\n`, "gAAAAA", "gA=="]
    ) {
      assertEquals(decodeToken(encoder.encode(text))?.encoding, "base64");
    }
  });

  it("rejects anything else", () => {
    for (const content of [[0xff, 0xfe], [...encoder.encode("not base64!")]]) {
      assertEquals(decodeToken(Uint8Array.from(content)), undefined);
    }
  });
});
