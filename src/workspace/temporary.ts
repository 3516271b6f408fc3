import { osReason, RunnerError } from "../errors.ts";
import {
  type PrivateDirectory,
  privateDirectory,
} from "../fs/temporary_directory.ts";
import type { Workspace } from "./layout.ts";

/** What decides where temporary files go. */
export interface TemporaryPlace {
  /** Environment of the runner. */
  readonly env: Readonly<Record<string, string>>;
  /** The workspace. */
  readonly workspace: Pick<Workspace, "base">;
}

/** Directory for temporary files, relative to the workspace. */
export const TEMPORARY_DIRECTORY = ".reactorcide/tmp";

/**
 * Lists where temporary files can go: where the user says, where the system
 * does, and below the workspace, which is always writable.
 *
 * @param place What decides.
 * @returns Absolute paths, the best first.
 */
export function temporaryParents(
  { env, workspace: { base } }: TemporaryPlace,
): string[] {
  const { TMPDIR = "" } = env;
  return [
    ...TMPDIR === "" ? [] : [TMPDIR],
    "/tmp",
    `${base}/${TEMPORARY_DIRECTORY}`,
  ];
}

/**
 * Creates a directory for temporary files that no other user can enter.
 *
 * @param place Where it can be.
 * @returns The directory; it is removed when disposed.
 * @throws {RunnerError} `workspace`, with a reason for each place.
 */
export function temporaryDirectory(place: TemporaryPlace): PrivateDirectory {
  const parents = temporaryParents(place);
  try {
    return privateDirectory(parents);
  } catch (cause) {
    const { errors } = cause as AggregateError;
    const reasons = errors.map((error, at) =>
      `"${parents[at]}" (${osReason(error)})`
    );
    throw new RunnerError(
      `Cannot create a temporary directory in ${reasons.join(", ")}`,
      { code: "workspace", cause },
    );
  }
}
