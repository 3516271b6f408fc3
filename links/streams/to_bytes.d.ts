/** Reads a stream to its end. */
export function toBytes(
  stream: ReadableStream<Uint8Array>,
): Promise<Uint8Array>;
