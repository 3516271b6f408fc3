/** Way from one path to another. */
export function relative(from: string, to: string): string;
