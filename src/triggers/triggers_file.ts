import { dirname } from "@std/path/posix/dirname";
import { messageOf, osReason, RunnerError } from "../errors.ts";
import { lockDirectory } from "../fs/file_lock.ts";
import { readUntrusted } from "../fs/untrusted_file.ts";
import { writeAtomic } from "../fs/write_atomic.ts";
import { parseJson } from "../json_value.ts";
import { describeKind, plainEntries } from "../schema/copy_json.ts";
import { quote } from "../terminal/text.ts";
import {
  type CheckedTrigger,
  checkTriggers,
  triggerError,
} from "./check_triggers.ts";
import {
  orderedDocument,
  orderTriggers,
  type RefusedTrigger,
  sortTriggers,
  type TriggerDocument,
} from "./trigger_document.ts";
import type { Trigger } from "./trigger_options.ts";

/** Maximum size of a document that every consumer accepts, in bytes. */
export const MAX_DOCUMENT_BYTES = 8 * 1024 * 1024;

/** Keys of a document that contains only jobs. */
const ENVELOPE_KEYS = ["type", "operation_id", "trigger_type", "jobs"];

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
   * Whether triggers replace jobs with the same names.
   *
   * @default {false}
   */
  replaces?: boolean;
  /**
   * Whether to write nothing if a trigger is refused.
   *
   * @default {false}
   */
  isAtomic?: boolean;
}

/** Result of {@linkcode writeTriggers}. */
export interface WrittenTriggers {
  /** The new content of the file. */
  readonly document: TriggerDocument;
  /** Triggers that were refused. */
  readonly refused: readonly RefusedTrigger[];
}

/**
 * Adds triggers to a file, which is created if missing.
 *
 * The existing jobs stay in front, and new jobs may depend on them. Since the
 * content changes, the document gets a new `operation_id`. Writers wait for one
 * another; a reader sees either the old or the new document.
 *
 * @param path Path of the file; its directory must exist.
 * @throws {RunnerError} `invalid-trigger` if a trigger is refused and
 * `isAtomic` is set; `output-failed` if the file is not a document of plain
 * jobs, would exceed 8 MiB, or cannot be read or written. In that case, the
 * file is not changed.
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
  const existing = await readTriggers(path);
  const present = replaces
    ? withoutNames(existing, triggers.map(({ name }) => name))
    : existing;
  const names = new Set(present.map(({ name }) => name));
  const duplicates = triggers.filter(({ name }) => names.has(name))
    .map((trigger): RefusedTrigger => ({
      trigger,
      job: quote(trigger.name),
      problem: `it is already in "${path}"`,
      isConsequence: false,
    }));
  const added = withoutNames(
    triggers,
    duplicates.map(({ trigger }) => trigger.name),
  );
  const { ordered, refused } = orderTriggers([...present, ...added]);
  const broken = refused.filter(({ trigger }) => names.has(trigger.name));
  if (broken.length > 0) {
    throw createFileError(path, triggerError(broken).message);
  }
  const all = [...duplicates, ...refused];
  if (isAtomic && all.length > 0) throw triggerError(all);
  const document = orderedDocument(ordered);
  if (added.length > refused.length) await writeDocument(path, document);
  return { document, refused: all };
}

/**
 * Removes triggers that were submitted or refused from a file, and the file
 * itself if none are left.
 *
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
  const remaining = withoutNames(present, names);
  const ordered = sortTriggers(remaining);
  if (ordered.length > 0) await writeDocument(path, orderedDocument(ordered));
  else if (present.length > 0) await Deno.remove(path);
}

/** Omits the triggers with one of the given names. */
export function withoutNames<T extends Pick<Trigger, "name">>(
  triggers: readonly T[],
  names: Iterable<string>,
): T[] {
  const omitted = new Set(names);
  return triggers.filter(({ name }) => !omitted.has(name));
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

/**
 * Reads the triggers in a file. Its content is checked, since any program in
 * the workspace may have written it.
 *
 * @returns The triggers; none if the file is missing.
 * @throws {RunnerError} `output-failed` if the file cannot be read, or is not a
 * document of plain jobs.
 */
async function readTriggers(path: string): Promise<CheckedTrigger[]> {
  const text = await readText(path);
  if (text === null) return [];
  try {
    return checkTriggers(readJobs(parse(text)), { isWire: true });
  } catch (cause) {
    throw createFileError(path, messageOf(cause), cause);
  }
}

async function readText(path: string): Promise<string | null> {
  try {
    const bytes = await readUntrusted(path, {
      maxBytes: MAX_DOCUMENT_BYTES,
    });
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
      .decode(bytes);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    if (error instanceof TypeError) {
      throw createFileError(path, "it is not valid UTF-8", error);
    }
    throw createFileError(path, osReason(error), error);
  }
}

function parse(text: string): unknown {
  const document = parseJson(text);
  if (document !== undefined) return document;
  throw new TypeError("it is not valid JSON");
}

function readJobs(document: unknown): readonly unknown[] {
  const envelope = new Map(plainEntries(document, "it"));
  for (const [key, value] of envelope) {
    // Workflows and their variables would be lost, or override the jobs.
    if (!ENVELOPE_KEYS.includes(key) && !isEmpty(value)) {
      throw new TypeError(`it contains ${quote(key)}; only jobs are supported`);
    }
  }
  if (envelope.has("version")) throw new TypeError('it contains "version"');
  if (envelope.get("type") !== "trigger_job") {
    throw new TypeError('its type is not "trigger_job"');
  }
  if ((envelope.get("trigger_type") ?? "runnerlib") !== "runnerlib") {
    throw new TypeError('its trigger_type is not "runnerlib"');
  }
  const jobs = envelope.get("jobs") ?? [];
  if (!Array.isArray(jobs)) {
    throw new TypeError(`its jobs must be a list, not ${describeKind(jobs)}`);
  }
  return jobs;
}

function isEmpty(value: unknown): boolean {
  return value === null || Array.isArray(value) && value.length === 0;
}

function createFileError(
  path: string,
  state: string,
  cause?: unknown,
): RunnerError {
  return new RunnerError(`Cannot add triggers to "${path}": ${state}`, {
    code: "output-failed",
    cause,
  });
}
