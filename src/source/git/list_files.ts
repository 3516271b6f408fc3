import { childEnvironment } from "../../environment/child_environment.ts";
import type { Environment } from "../../environment/variables.ts";
import { RunnerError } from "../../errors.ts";
import { Cancellation } from "../../process/cancellation.ts";
import { CAPTURE_LIMIT_BYTES, captureBytes } from "../../process/capture.ts";

/** Time limit of git, in milliseconds. */
const TIMEOUT_MS = 60_000;

/** Settings that keep the repository from starting programs. */
const SETTINGS = [
  "core.fsmonitor=false",
  "core.hooksPath=/dev/null",
  "safe.directory=*",
].flatMap((setting) => ["-c", setting]);

/**
 * Lists the files below a directory that git tracks or would track: all of them
 * except ignored ones.
 *
 * @param directory Absolute path of the directory.
 * @param env Environment of the runner.
 * @returns Paths relative to the directory; `undefined` if it is in no
 * repository, or git is missing or cannot list so many files.
 */
export async function listUnignoredFiles(
  directory: string,
  env: Environment,
): Promise<string[] | undefined> {
  try {
    const { exitCode, stdout } = await captureBytes(
      [
        ...["git", ...SETTINGS, "ls-files", "-z"],
        ...["--cached", "--others", "--exclude-standard"],
      ],
      {
        cwd: directory,
        cancellation: new Cancellation(),
        timeoutMs: TIMEOUT_MS,
        env: {
          ...childEnvironment(env, { kind: "git-query" }),
          // Git would fetch missing objects of a sparse index, by a program
          // that the repository names.
          GIT_ALLOW_PROTOCOL: "none",
          GIT_NO_LAZY_FETCH: "1",
          GIT_OPTIONAL_LOCKS: "0",
          GIT_TERMINAL_PROMPT: "0",
          LC_ALL: "C",
        },
      },
    );
    if (exitCode !== 0 || stdout.length >= CAPTURE_LIMIT_BYTES) {
      return undefined;
    }
    // A file with conflicts is listed several times.
    const paths = new Set(new TextDecoder().decode(stdout).split("\0"));
    paths.delete("");
    return [...paths];
  } catch (error) {
    if (error instanceof RunnerError) return undefined;
    throw error;
  }
}
