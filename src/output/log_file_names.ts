/** What stands in a file name as it is; all else is written as `%` and two digits for each byte. */
const SAFE = /[^A-Za-z0-9 ._,=+@()[\]-]/gu;

/** Longest name of a file before `.log`, well below the 255 bytes that file systems take. */
const MAX_LENGTH = 200;

const encoder = new TextEncoder();

/** Finds a file name for each step, and never one for two. */
export class LogFileNames {
  readonly #names = new Map<string, string>();
  readonly #taken = new Set<string>();

  /**
   * Finds the name of a step's file: the step's own name, if that can be.
   *
   * Names that differ only in case, or far from their start, get a number:
   * `test.log`, `Test~2.log`.
   *
   * @param step Name of the step.
   * @returns The name, safe on every file system, the same each time.
   */
  nameFor(step: string): string {
    const known = this.#names.get(step);
    if (known !== undefined) return known;
    const stem = safeName(step);
    let name = stem;
    // A tilde is not safe, so that no step has such a name of its own.
    for (let number = 2; this.#taken.has(name.toLowerCase()); number++) {
      name = `${stem}~${number}`;
    }
    this.#taken.add(name.toLowerCase());
    this.#names.set(step, `${name}.log`);
    return `${name}.log`;
  }
}

function safeName(step: string): string {
  // A leading dot hides a file, a leading dash looks like an option.
  const name = step.replace(SAFE, escape).replace(/^[.-]/, escape);
  return name.slice(0, MAX_LENGTH) || "%";
}

function escape(character: string): string {
  return Array.from(encoder.encode(character), (byte) => `%${hex(byte)}`)
    .join("");
}

function hex(number: number): string {
  return number.toString(16).toUpperCase().padStart(2, "0");
}
