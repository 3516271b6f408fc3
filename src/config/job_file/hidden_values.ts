/** Keys whose values may be secret, or hold what is. */
const KEYS: ReadonlySet<string> = new Set([
  "environment",
  "env",
  "job_env",
  "secret_values_list",
  "secrets",
]);

/** Shorter values protect nothing, and are parts of many others. */
const MIN_LENGTH = 4;

/** A value that a message repeats. */
const REPEATED = /\bnot ("(?:[^"\\]|\\.)*")/g;

/**
 * Hides what a message repeats of values that may be secret: variables and
 * listed secrets of a file whose other values are wrong.
 *
 * A file that is wrong is no configuration, so that nothing says which of its
 * variables are secret.
 *
 * @param message Message.
 * @param document Parsed file.
 * @returns Message with `[REDACTED]` in the place of such values.
 */
export function hideValues(message: string, document: unknown): string {
  if (!message.includes('not "')) return message;
  const hidden = valuesOf(document);
  return message.replace(REPEATED, (whole, quoted) => {
    let text: string;
    try {
      text = JSON.parse(quoted);
    } catch {
      // Cut in the middle of a character.
      return 'not "[REDACTED]"';
    }
    const isHidden = hidden.some((value) =>
      text.includes(value) || text.length >= 100 && value.startsWith(text)
    );
    return isHidden ? 'not "[REDACTED]"' : whole;
  });
}

function valuesOf(document: unknown): string[] {
  const values = new Set<string>();
  const seen = new Set<unknown>();
  const hiddenSeen = new Set<unknown>();
  const visit = (value: unknown, isHidden: boolean): void => {
    if (typeof value === "string") {
      if (!isHidden) return;
      // A text may be lines of variables, or a list.
      for (const part of [value, ...value.split(/[\n,]|(?<=^|\n)[^=\n]*=/)]) {
        if (part.trim().length >= MIN_LENGTH) values.add(part.trim());
      }
    } else if (typeof value === "object" && value !== null) {
      // Visited again where its values are hidden, if they were not before.
      if (seen.has(value) && !isHidden) return;
      if (isHidden && hiddenSeen.has(value)) return;
      seen.add(value);
      if (isHidden) hiddenSeen.add(value);
      for (const [key, member] of Object.entries(value)) {
        visit(member, isHidden || KEYS.has(key));
      }
    }
  };
  visit(document, false);
  return [...values];
}
