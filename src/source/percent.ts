/**
 * Decodes the percent-encoding of a part of a URL.
 *
 * A `%` that begins no escape stands for itself, as in a password that was
 * copied into a URL as it is.
 *
 * @param text Part of a URL.
 * @returns The bytes that it stands for; they need not be UTF-8.
 */
export function percentDecoded(text: string): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  const bytes = text.split(/(%[0-9a-f]{2})/i).flatMap((part, index) =>
    index % 2 === 1
      ? [Number.parseInt(part.slice(1), 16)]
      : Array.from(encoder.encode(part))
  );
  return new Uint8Array(bytes);
}

/**
 * Returns the path of a `file:` URL.
 *
 * @param url The URL.
 * @returns Absolute path.
 * @throws {TypeError} If it is not UTF-8 or contains a NUL character.
 */
export function decodedPath({ pathname }: URL): string {
  let path: string;
  try {
    path = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
      .decode(percentDecoded(pathname));
  } catch (cause) {
    throw new TypeError("its path is not UTF-8", { cause });
  }
  if (path.includes("\0")) {
    throw new TypeError("its path contains a NUL character");
  }
  return path;
}
