/** Makes a path absolute, from right to left. */
export function resolve(...pathSegments: string[]): string;
