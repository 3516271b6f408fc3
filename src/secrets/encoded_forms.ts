const encoder = new TextEncoder();

/** What stands for bytes before a value when it is encoded; two of them at most matter. */
const FILLER = "\0\0";

/** Lengths of lines into which tools break base64 texts. */
const WIDTHS = [64, 76];

/**
 * Gives the texts that a value leaves in what encodes it, wherever it stands
 * in what was encoded.
 *
 * These are base64 in the standard and in the URL alphabet, the same of the
 * value as UTF-16LE, which PowerShell encodes, hexadecimal digits with small
 * and with capital letters, and base64 of the value alone with line breaks.
 *
 * @param value Value.
 * @returns The texts; some may be empty, or the same as others.
 */
export function encodedForms(value: string): string[] {
  const filled = encoder.encode(FILLER + value);
  const base64 = base64Texts(filled);
  const hex = filled.subarray(FILLER.length).toHex();
  return [
    ...base64.flatMap(inBothAlphabets),
    ...base64Texts(utf16Bytes(FILLER.slice(1) + value))
      .flatMap(inBothAlphabets),
    hex,
    hex.toUpperCase(),
    ...wrapped(base64[0]),
  ];
}

/**
 * Gives what a value leaves in base64 texts.
 *
 * Three bytes become four characters, so a value shows in one of three ways.
 * The characters at its edges also depend on its neighbours and are left out.
 *
 * @param filled The value behind two bytes of filler.
 */
function base64Texts(filled: Uint8Array): string[] {
  return [0, 1, 2].map((offset) => {
    const bytes = filled.subarray(FILLER.length - offset);
    const from = Math.ceil(offset * 8 / 6);
    return bytes.toBase64().slice(from, Math.floor(bytes.length * 8 / 6));
  });
}

function inBothAlphabets(text: string): string[] {
  if (!/[+/]/.test(text)) return [text];
  return [text, text.replaceAll("+", "-").replaceAll("/", "_")];
}

/** Breaks a text into lines as tools do, if it is long enough. */
function wrapped(text: string): string[] {
  return WIDTHS.filter((width) => text.length > width)
    .map((width) => text.replace(new RegExp(`.{${width}}(?=.)`, "g"), "$&\n"));
}

/** The text in UTF-16 as the little-endian machines that Deno runs on have it. */
function utf16Bytes(text: string): Uint8Array {
  const units = new Uint16Array(text.length);
  for (let at = 0; at < text.length; at++) units[at] = text.charCodeAt(at);
  return new Uint8Array(units.buffer);
}
