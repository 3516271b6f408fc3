import { resolve } from "@std/path/posix/resolve";
import { parseJobEnv } from "../config/text_values.ts";
import { osReason, RunnerError } from "../errors.ts";
import type { JobRun } from "./job_run.ts";

/** A file of secrets that was read. */
export interface SecretsFile {
  /** What is in it. */
  readonly text: string;
  /** Its variables. */
  readonly variables: Readonly<Record<string, string>>;
}

/**
 * Reads the file of variables that the job gets as secrets, if there is one,
 * and has all of their values masked.
 *
 * @param run The run.
 * @returns The file; `undefined` if none is configured.
 * @throws {RunnerError} `invalid-config`, if it cannot be read.
 */
export async function readSecretsFile(
  run: JobRun,
): Promise<SecretsFile | undefined> {
  const { host } = run.parts;
  const configured = run.settings.get("secrets_file")?.value;
  if (typeof configured !== "string" || configured === "") return undefined;
  const path = resolve(host.cwd, configured);
  const text = await read(path);
  // A line break in front: the text itself never is the name of a file.
  const { env, problems } = parseJobEnv(
    { value: `\n${text}`, origin: path },
    host.cwd,
  );
  if (problems.length > 0) throw unusable(path, problems.join(", "));
  run.secrets.add(
    Object.entries(env)
      .filter(([, value]) => value !== "")
      .map(([name, value]) => ({ name, value, rule: "file of secrets" })),
  );
  return { text, variables: env };
}

async function read(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (cause) {
    throw unusable(path, osReason(cause), cause);
  }
}

function unusable(path: string, reason: string, cause?: unknown): RunnerError {
  return new RunnerError(`Cannot use secrets_file "${path}": ${reason}`, {
    code: "invalid-config",
    cause,
  });
}
