/** Reads a stream to its end as text. */
export function toText(stream: ReadableStream): Promise<string>;
