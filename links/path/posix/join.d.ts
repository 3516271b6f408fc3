/** Joins paths and normalises the result. */
export function join(path: string, ...paths: string[]): string;
