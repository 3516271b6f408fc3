/** Joins paths and normalises the result. */
export function join(path: string | URL, ...paths: string[]): string;
