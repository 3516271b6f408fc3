/**
 * Limits the size of the content that a pull request adds to a document.
 *
 * Values are measured before they are serialized: with YAML aliases, a small
 * file can expand to more text than fits in memory.
 */
export class ByteBudget {
  #left: number;

  /**
   * Creates an unused budget.
   *
   * @param bytes Maximum size as JSON.
   */
  constructor(bytes: number) {
    this.#left = bytes;
  }

  /**
   * Checks whether a value fits.
   *
   * @param value Plain data without cycles.
   */
  hasRoomFor(value: unknown): boolean {
    return restOf(value, this.#left) >= 0;
  }

  /**
   * Subtracts the size of a value if it fits.
   *
   * @param value Plain data without cycles.
   */
  take(value: unknown): boolean {
    const rest = restOf(value, this.#left);
    if (rest >= 0) this.#left = rest;
    return rest >= 0;
  }
}

/**
 * Subtracts the size of a value as JSON; stops as soon as the result is
 * negative.
 */
function restOf(value: unknown, bytes: number): number {
  // For quotes or brackets, and separators.
  let rest = bytes - 4;
  if (typeof value === "string") {
    if (rest < value.length) return -1;
    return rest - new TextEncoder().encode(JSON.stringify(value)).length;
  }
  if (typeof value !== "object" || value === null) {
    return rest - String(value).length;
  }
  for (const [key, member] of Object.entries(value)) {
    if (!Array.isArray(value)) rest = restOf(key, rest);
    if (rest < 0) return -1;
    rest = restOf(member, rest);
    if (rest < 0) return -1;
  }
  return rest;
}
