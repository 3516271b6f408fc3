/** Which stream of a step bytes come from. */
export type StreamName = "stdout" | "stderr";

/**
 * Writes lines in the way that a reader expects.
 *
 * @param lines Whole lines, with their line feeds.
 * @returns What is printed, good until the next call.
 */
export type LineFormat = (lines: Uint8Array) => Uint8Array;
