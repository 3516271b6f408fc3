/** Stands for quotes and backslashes; no text in UTF-8 has this byte. */
export const QUOTE = 0xff;

/** Stands for what is longer than any escape; no text in UTF-8 has this byte. */
export const GAP = 0xfe;

/** Stands for the two above where a text has them nevertheless. */
const OTHER = 0xfd;

const [BLANK, PLUS, BACKSLASH] = [0x20, 0x2b, 0x5c];

/** Gives the normal form of each byte that is not part of an escape. */
export const NORMAL: Uint8Array = normalForms();

/** The value of each hexadecimal digit; 255 for other bytes. */
export const HEX: Uint8Array = hexValues();

function normalForms(): Uint8Array {
  const forms = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  for (const quote of [0x22, 0x27, 0x60, BACKSLASH]) forms[quote] = QUOTE;
  forms[BLANK] = PLUS;
  forms[QUOTE] = forms[GAP] = OTHER;
  return forms;
}

function hexValues(): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => {
    const value = parseInt(String.fromCharCode(byte), 16);
    return Number.isNaN(value) ? 255 : value;
  });
}
