/** All but the last part of a path. */
export function dirname(path: string): string;
