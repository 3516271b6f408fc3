import { dirname } from "@std/path/posix/dirname";
import { RunnerError } from "../errors.ts";
import { lockDirectory } from "../fs/lock.ts";
import { writeAtomic } from "../fs/write_atomic.ts";
import { type CheckedTrigger, triggerError } from "./check_triggers.ts";
import { orderedDocument, type TriggerDocument } from "./document.ts";
import { quote } from "./printable.ts";
import {
  fileError,
  MAX_DOCUMENT_BYTES,
  readTriggers,
} from "./read_triggers.ts";
import {
  orderTriggers,
  type RefusedTrigger,
  topologicalOrder,
} from "./topological_order.ts";
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
   * Whether triggers replace jobs of their names.
   *
   * @default {false}
   */
  replaces?: boolean;
  /**
   * Whether nothing is written if a trigger is refused.
   *
   * @default {false}
   */
  isAtomic?: boolean;
}

/** What {@linkcode writeTriggers} has done. */
export interface WrittenTriggers {
  /** The document that is now in the file. */
  readonly document: TriggerDocument;
  /** Triggers that were left out. */
  readonly refused: readonly RefusedTrigger[];
}

/**
 * Adds triggers to a file, which is created if it is missing.
 *
 * The jobs that are in the file stay, in front, and may be depended on. The
 * content changes, so the document gets a new `operation_id`. Writers wait for
 * one another; a reader sees the old or the new document, never half of one.
 *
 * @param path Path of the file; its directory must exist.
 * @param triggers Triggers to add.
 * @param options Additional options.
 * @throws {RunnerError} `invalid-trigger` if a trigger is refused and nothing is
 * to be written then; `output-failed` if the file is not a document of plain
 * jobs, would exceed 8 MiB, or cannot be read or written. The file is left as
 * it is then.
 */
export async function writeTriggers(
  path: string,
  triggers: readonly CheckedTrigger[],
  options: WriteTriggersOptions = {},
): Promise<WrittenTriggers> {
  const {
    replaces = false,
    isAtomic = false,
    lock = () => lockDirectory(dirname(path)),
  } = options;
  using _ = await lock();
  const found = await readTriggers(path);
  const present = replaces ? without(found, triggers) : found;
  const names = new Set(present.map(({ name }) => name));
  const taken = triggers.filter(({ name }) => names.has(name))
    .map((trigger): RefusedTrigger => ({
      trigger,
      job: quote(trigger.name),
      problem: `it is in "${path}" already`,
      isConsequence: false,
    }));
  const added = without(triggers, taken.map(({ trigger }) => trigger));
  const { ordered, refused } = orderTriggers([...present, ...added]);
  const broken = refused.filter(({ trigger }) => names.has(trigger.name));
  if (broken.length > 0) {
    throw fileError(path, triggerError(broken).message);
  }
  const all = [...taken, ...refused];
  if (isAtomic && all.length > 0) throw triggerError(all);
  const document = orderedDocument(ordered);
  if (added.length > refused.length) await writeDocument(path, document);
  return { document, refused: all };
}

/**
 * Removes triggers that were submitted, or refused, from a file, and the file
 * with the last of them.
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
  const ordered = topologicalOrder(rest);
  if (ordered.length > 0) await writeDocument(path, orderedDocument(ordered));
  else if (present.length > 0) await Deno.remove(path);
}

function without(
  triggers: readonly CheckedTrigger[],
  others: readonly Pick<Trigger, "name">[],
): CheckedTrigger[] {
  const names = new Set(others.map(({ name }) => name));
  return triggers.filter(({ name }) => !names.has(name));
}

async function writeDocument(
  path: string,
  document: TriggerDocument,
): Promise<void> {
  const bytes = new TextEncoder().encode(`${JSON.stringify(document)}\n`);
  if (bytes.length > MAX_DOCUMENT_BYTES) {
    throw new RunnerError(
      `Cannot write "${path}": it would exceed ${MAX_DOCUMENT_BYTES} bytes`,
      { code: "invalid-trigger" },
    );
  }
  await writeAtomic(path, bytes);
}
