import type { ArchiveConfig } from "../../config/job_config.ts";
import { RunnerError } from "../../errors.ts";

/** What any archive may grow to, in bytes: small ones are often very compressible. */
const FREE_BYTES = 16 * 1024 * 1024;

/** Limits of an archive. */
export type ArchiveLimits = Pick<
  ArchiveConfig,
  "maxEntries" | "maxBytes" | "maxRatio"
>;

/** Counts what an archive holds, and ends it when that is too much. */
export class Budget {
  readonly #limits: ArchiveLimits;
  readonly #archiveBytes: number;
  #entryCount = 0;
  #bytes = 0;

  /**
   * Makes a budget of which nothing is spent.
   *
   * @param limits Limits.
   * @param archiveBytes Size of the archive itself.
   */
  constructor(limits: ArchiveLimits, archiveBytes: number) {
    this.#limits = limits;
    this.#archiveBytes = archiveBytes;
  }

  /**
   * Counts an entry.
   *
   * @throws {RunnerError} With code `source-failed`, if there are too many.
   */
  addEntry(): void {
    const { maxEntries } = this.#limits;
    if (++this.#entryCount > maxEntries) {
      throw tooMuch(`it holds more than ${maxEntries} entries`);
    }
  }

  /**
   * Counts bytes that were unpacked.
   *
   * @param count How many.
   * @throws {RunnerError} With code `source-failed`, if there are too many.
   */
  addBytes(count: number): void {
    const { maxBytes, maxRatio } = this.#limits;
    this.#bytes += count;
    if (this.#bytes > maxBytes) {
      throw tooMuch(`it holds more than ${maxBytes} bytes`);
    }
    if (
      this.#bytes > FREE_BYTES && this.#bytes > this.#archiveBytes * maxRatio
    ) {
      throw tooMuch(`it grows to more than ${maxRatio} times its size`);
    }
  }
}

function tooMuch(reason: string): RunnerError {
  return new RunnerError(`Cannot unpack the archive: ${reason}`, {
    code: "source-failed",
  });
}
