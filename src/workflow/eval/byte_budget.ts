/**
 * Limits the size of the content that a pull request adds to a document.
 *
 * Values are measured before they are serialized: with YAML aliases, a small
 * file can expand to more text than fits in memory.
 */
export class ByteBudget {
  #remaining: number;

  /**
   * Creates an unused budget.
   *
   * @param bytes Maximum size as JSON.
   */
  constructor(bytes: number) {
    this.#remaining = bytes;
  }

  /**
   * Checks whether a value fits.
   *
   * @param value Plain data without cycles.
   */
  hasRoomFor(value: unknown): boolean {
    return subtractSize(value, this.#remaining) >= 0;
  }

  /**
   * Subtracts the size of a value if it fits.
   *
   * @param value Plain data without cycles.
   */
  spend(value: unknown): boolean {
    const remaining = subtractSize(value, this.#remaining);
    if (remaining >= 0) this.#remaining = remaining;
    return remaining >= 0;
  }
}

/**
 * Subtracts the size of a value as JSON; stops as soon as the result is
 * negative.
 */
function subtractSize(value: unknown, bytes: number): number {
  // For quotes or brackets, and separators.
  let remaining = bytes - 4;
  if (typeof value === "string") {
    if (remaining < value.length) return -1;
    return remaining - new TextEncoder().encode(JSON.stringify(value)).length;
  }
  if (typeof value !== "object" || value === null) {
    return remaining - String(value).length;
  }
  for (const [key, member] of Object.entries(value)) {
    if (!Array.isArray(value)) remaining = subtractSize(key, remaining);
    if (remaining < 0) return -1;
    remaining = subtractSize(member, remaining);
    if (remaining < 0) return -1;
  }
  return remaining;
}
