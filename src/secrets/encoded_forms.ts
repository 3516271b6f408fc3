const encoder = new TextEncoder();

/**
 * Gives the parts of base64 texts that a value leaves there, wherever it
 * stands in what was encoded.
 *
 * Three bytes become four characters, so a value shows in one of three ways.
 * The characters at its edges also depend on its neighbours and are left out.
 *
 * @param value Value.
 * @returns Texts in the standard and in the URL alphabet, and those of the
 * value as UTF-16LE, which PowerShell encodes.
 */
export function base64Forms(value: string): string[] {
  const forms: string[] = [];
  for (const bytes of [encoder.encode(value), utf16Bytes(value)]) {
    for (const offset of [0, 1, 2]) {
      const text = stablePart(bytes, offset);
      forms.push(text);
      if (/[+/]/.test(text)) forms.push(urlAlphabet(text));
    }
  }
  return forms;
}

/**
 * Gives the base64 texts of a value alone, broken into lines as tools do.
 *
 * @param value Value.
 * @returns Texts with lines of 64 and of 76 characters, if there is a break.
 */
export function wrappedBase64Forms(value: string): string[] {
  const widths = [64, 76];
  // A character takes three bytes at most, and three bytes become four characters.
  if (value.length * 4 <= widths[0]) return [];
  const text = stablePart(encoder.encode(value), 0);
  return widths.filter((width) => text.length > width)
    .map((width) => text.replace(new RegExp(`.{${width}}(?=.)`, "g"), "$&\n"));
}

/**
 * Gives the hexadecimal texts of a value.
 *
 * @param value Value.
 * @returns One with small and one with capital letters.
 */
export function hexForms(value: string): string[] {
  const hex = encoder.encode(value).toHex();
  return [hex, hex.toUpperCase()];
}

/** What is the same whatever stands before and behind the bytes. */
function stablePart(bytes: Uint8Array, offset: number): string {
  const padded = new Uint8Array(offset + bytes.length);
  padded.set(bytes, offset);
  const text = padded.toBase64();
  const from = Math.ceil(offset * 8 / 6);
  const to = Math.floor(padded.length * 8 / 6);
  return text.slice(from, to);
}

function urlAlphabet(text: string): string {
  return text.replaceAll("+", "-").replaceAll("/", "_");
}

function utf16Bytes(value: string): Uint8Array {
  const bytes = new Uint8Array(2 * value.length);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < value.length; at++) {
    view.setUint16(2 * at, value.charCodeAt(at), true);
  }
  return bytes;
}
