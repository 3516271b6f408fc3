import { dirname } from "@std/path/posix/dirname";
import { RunnerError } from "../errors.ts";
import { lockDirectory } from "../fs/lock.ts";
import { writeAtomic } from "../fs/write_atomic.ts";
import { checkTriggers } from "./check_triggers.ts";
import { type TriggerDocument, triggerDocument } from "./document.ts";
import { LARGEST_DOCUMENT_BYTES, readTriggers } from "./read_triggers.ts";
import type { Trigger } from "./trigger.ts";

/** Options for {@linkcode removeTriggers}. */
export interface RemoveTriggersOptions {
  /**
   * Locks the file while it is read and written.
   *
   * @default {locks its directory}
   */
  lock?: () => Promise<Disposable>;
}

/** Options for {@linkcode writeTriggers}. */
export interface WriteTriggersOptions extends RemoveTriggersOptions {
  /**
   * Whether triggers take the place of jobs of their names.
   *
   * @default {false}
   */
  replaces?: boolean;
}

/**
 * Adds triggers to a file, which is made if it is missing.
 *
 * The jobs that are in the file stay, in front, and may be depended on. The
 * content changes, so the document gets a new `operation_id`. Several writers
 * wait for one another; a reader sees the old or the new document, never half
 * of one.
 *
 * @param path Path of the file; its directory must exist.
 * @param triggers Triggers to add.
 * @param options Additional options.
 * @returns The document that is now in the file.
 * @throws {RunnerError} `invalid-trigger` if a trigger is not right or a job of
 * its name is in the file; `output-failed` if the file is no document of plain
 * jobs, would exceed 8 MiB, or cannot be read or written. The file is left as
 * it is then.
 */
export async function writeTriggers(
  path: string,
  triggers: readonly Trigger[],
  options: WriteTriggersOptions = {},
): Promise<TriggerDocument> {
  const { replaces = false, lock = () => lockDirectory(dirname(path)) } =
    options;
  const added = checkTriggers(triggers);
  using _ = await lock();
  const present = replaces
    ? without(await readTriggers(path), added)
    : await readTriggers(path);
  const names = new Set(present.map(({ name }) => name));
  checkTriggers(added, {
    nameProblem: (name) =>
      names.has(name) ? `it is in "${path}" already` : undefined,
  });
  const document = triggerDocument([...present, ...added]);
  await writeDocument(path, document);
  return document;
}

/**
 * Takes triggers that were handed over out of a file, which goes away with the
 * last of them.
 *
 * @param path Path of the file.
 * @param names Names of the triggers.
 * @param options Additional options.
 * @throws {RunnerError} `output-failed`, as {@linkcode writeTriggers}.
 */
export async function removeTriggers(
  path: string,
  names: readonly string[],
  options: RemoveTriggersOptions = {},
): Promise<void> {
  const { lock = () => lockDirectory(dirname(path)) } = options;
  using _ = await lock();
  const present = await readTriggers(path);
  const rest = without(present, names.map((name) => ({ name })));
  if (rest.length > 0) await writeDocument(path, triggerDocument(rest));
  else if (present.length > 0) await Deno.remove(path);
}

function without(
  triggers: readonly Trigger[],
  others: readonly Trigger[],
): Trigger[] {
  const names = new Set(others.map(({ name }) => name));
  return triggers.filter(({ name }) => !names.has(name));
}

async function writeDocument(
  path: string,
  document: TriggerDocument,
): Promise<void> {
  const bytes = new TextEncoder().encode(`${JSON.stringify(document)}\n`);
  if (bytes.length > LARGEST_DOCUMENT_BYTES) {
    throw new RunnerError(
      `Cannot write "${path}": it would exceed ${LARGEST_DOCUMENT_BYTES} bytes`,
      { code: "output-failed" },
    );
  }
  await writeAtomic(path, bytes);
}
