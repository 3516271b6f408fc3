/** Last part of a path, without the suffix. */
export function basename(path: string, suffix?: string): string;
