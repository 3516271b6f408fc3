import { messageOf, osReason, RunnerError } from "../errors.ts";
import { readUntrusted } from "../fs/read_untrusted.ts";
import { type CheckedTrigger, checkTriggers } from "./check_triggers.ts";
import { kindOf, plainEntries } from "./copy_json.ts";
import { quote } from "./printable.ts";
import type { Trigger } from "./trigger.ts";
import { FIELD_OF_WIRE } from "./trigger_fields.ts";

/** Largest document that every consumer takes, in bytes. */
export const MAX_DOCUMENT_BYTES = 8 * 1024 * 1024;

/** Keys of a document that holds nothing but jobs. */
const ENVELOPE_KEYS = ["type", "operation_id", "trigger_type", "jobs"];

/**
 * Reads the triggers that an earlier flush left in a file.
 *
 * Whatever else runs in the workspace may have written the file, so nothing in
 * it is taken for granted.
 *
 * @param path Path of the file.
 * @returns The triggers, none if there is no file.
 * @throws {RunnerError} `output-failed` if the file cannot be read, or is
 * anything but a document of plain jobs.
 */
export async function readTriggers(path: string): Promise<CheckedTrigger[]> {
  const text = await readText(path);
  if (text === null) return [];
  try {
    return checkTriggers(triggersOfWire(jobsOf(parse(text))));
  } catch (cause) {
    throw fileError(path, messageOf(cause), cause);
  }
}

/**
 * Reads follow-up jobs as trigger documents spell them, without a check of
 * their values.
 *
 * @param jobs The jobs.
 * @throws {TypeError} If one is not an object, or has an unknown key.
 */
export function triggersOfWire(jobs: readonly unknown[]): Trigger[] {
  return jobs.map(fieldsOf);
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
      throw fileError(path, "it is not valid UTF-8", error);
    }
    throw fileError(path, osReason(error), error);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The message of the parser quotes the text, which may hold secrets.
    throw new TypeError("it is not valid JSON");
  }
}

function jobsOf(document: unknown): readonly unknown[] {
  const envelope = new Map(plainEntries(document, "it"));
  for (const [key, value] of envelope) {
    // Workflows and their variables would be lost, or would win over the jobs.
    if (!ENVELOPE_KEYS.includes(key) && !isEmpty(value)) {
      throw new TypeError(`it holds ${quote(key)} beside jobs`);
    }
  }
  if (envelope.has("version")) throw new TypeError('it holds "version"');
  if (envelope.get("type") !== "trigger_job") {
    throw new TypeError('its type is not "trigger_job"');
  }
  if ((envelope.get("trigger_type") ?? "runnerlib") !== "runnerlib") {
    throw new TypeError('its trigger_type is not "runnerlib"');
  }
  const jobs = envelope.get("jobs") ?? [];
  if (!Array.isArray(jobs)) {
    throw new TypeError(`its jobs are not a list but ${kindOf(jobs)}`);
  }
  return jobs;
}

/** Takes a job off the wire; `null` stands for nothing there. */
function fieldsOf(job: unknown, index: number): Trigger {
  const entries = plainEntries(job, `jobs[${index}]`)
    .filter(([, value]) => value !== null);
  return Object.fromEntries(entries.map(([key, value]) => {
    const field = FIELD_OF_WIRE[key];
    if (field !== undefined) return [field, value];
    throw new TypeError(`jobs[${index}] has the unknown key ${quote(key)}`);
  })) as unknown as Trigger;
}

function isEmpty(value: unknown): boolean {
  return value === null || Array.isArray(value) && value.length === 0;
}

export function fileError(
  path: string,
  state: string,
  cause?: unknown,
): RunnerError {
  return new RunnerError(`Cannot add triggers to "${path}": ${state}`, {
    code: "output-failed",
    cause,
  });
}
