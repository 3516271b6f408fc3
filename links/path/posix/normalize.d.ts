/** Resolves `.`, `..` and double slashes as text. */
export function normalize(path: string): string;
