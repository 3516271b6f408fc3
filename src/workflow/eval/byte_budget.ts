/**
 * Room for what a pull request contributes to a document.
 *
 * A value is measured before it is written as JSON: aliases of YAML can make a
 * small file stand for more text than memory holds.
 */
export class ByteBudget {
  #left: number;

  /**
   * Creates a budget.
   *
   * @param bytes Room, in bytes of JSON.
   */
  constructor(bytes: number) {
    this.#left = bytes;
  }

  /**
   * Checks whether there is room for a value.
   *
   * @param value Plain data without cycles.
   * @returns Whether there is.
   */
  hasRoomFor(value: unknown): boolean {
    return restOf(value, this.#left) >= 0;
  }

  /**
   * Takes the room for a value, if there is enough.
   *
   * @param value Plain data without cycles.
   * @returns Whether there was.
   */
  take(value: unknown): boolean {
    const rest = restOf(value, this.#left);
    if (rest >= 0) this.#left = rest;
    return rest >= 0;
  }
}

/** Subtracts the length of a value as JSON; stops once nothing is left. */
function restOf(value: unknown, bytes: number): number {
  // Quotes and what separates the value from the next one.
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
