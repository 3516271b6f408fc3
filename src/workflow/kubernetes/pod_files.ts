import { OWN_DIRECTORY } from "../../job_path.ts";
import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import { Budget } from "../../archive/entry.ts";
import { tarEntries } from "../../archive/tar_entries.ts";
import { unpack } from "../../archive/unpack.ts";
import { treeBytes } from "../../cache/tree_bytes.ts";
import { lstatIfThere } from "../../fs/files.ts";
import { pause } from "../../process/time_limit.ts";
import { guardPath } from "../../workspace/guard.ts";
import { removeTree } from "../../workspace/remove.ts";
import type { Cluster } from "./cluster.ts";
import { ClusterError, type ExecTarget } from "./cluster_transport.ts";
import {
  FILES_CONTAINER,
  JOB_DIRECTORY,
  PREPARE_CONTAINER,
  SENT_FILE,
  START_PIPE,
} from "./job_manifest.ts";

/** Limits for the results of a job, which are not trusted. */
const LIMITS = {
  maxEntries: 200_000,
  maxBytes: 8 * 1024 ** 3,
  maxRatio: 1_000,
};

/** Maximum number of attempts of a transfer. */
const MAX_ATTEMPTS = 5;

/** Pause after the first failure; further ones are longer, in milliseconds. */
const PAUSE_MS = 250;

/** Files of a job that follow-up jobs need. */
const RESULT_FILES = ["workflow-output.json", "triggers.json"];

/** Lock directory, which the unpacking program creates in the container. */
const LOCK = "/tmp/runnerlib-lock";

/**
 * Unpacks files, and ends the container.
 *
 * 1. A program whose connection broke may still be unpacking. The next one waits for
 *    it for 30 s, because the end of the container would kill it in the middle of a
 *    file.
 * 2. The container may not have created its pipe yet.
 * 3. The shell closes the pipe when it exits. That ends the container, which kills
 *    all its processes.
 */
const UNPACK_SCRIPT = `left=300
until mkdir ${LOCK} 2>/dev/null; do
  left=$((left - 1)) pid=$(cat ${LOCK}/pid 2>/dev/null)
  [ $left -gt 0 ] || kill -KILL "$pid" 2>/dev/null
  kill -0 "$pid" 2>/dev/null || rm -rf ${LOCK}
  sleep 0.1
done
echo "$$" >${LOCK}/pid
tar -xzf - -C ${JOB_DIRECTORY} || { rm -rf ${LOCK}; exit 1; }
until [ -p ${START_PIPE} ]; do sleep 0.1; done
exec 3>${START_PIPE}
`;

/**
 * Sends the workspace of a job to its Pod, and lets the job start.
 *
 * @param pod Name of the Pod, whose `prepare` container runs.
 * @param workspace Absolute path of the workspace.
 * @throws {ClusterError} If it cannot be sent.
 */
export async function sendFiles(
  cluster: Cluster,
  { pod, workspace, signal }: {
    readonly pod: string;
    readonly workspace: string;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(workspace)) {
    // The runner in the Pod has its own lock.
    if (name !== OWN_DIRECTORY && name !== "artifacts") names.push(name);
  }
  await exec(cluster, {
    pod,
    container: PREPARE_CONTAINER,
    command: ["sh", "-c", UNPACK_SCRIPT],
  }, {
    input: () => {
      const tree = treeBytes(workspace, names, {
        counts: { count: 0 },
        allowsAnyLink: true,
      });
      return compress(tree);
    },
    read: async (output) => {
      for await (const _ of output);
    },
    signal,
  });
}

/** Paths to fetch, relative to the workspace. */
export interface ResultPaths {
  /** Directory of the artifacts, in which the runner writes as well. */
  readonly artifacts: string;
  /** Files and directories of the code that the job may have changed. */
  readonly code: readonly string[];
}

/**
 * Fetches the results of a job: its outputs, follow-up jobs, artifacts, and parts of
 * its code.
 *
 * @returns Names of files that are not replaced because the runner has written
 * them.
 * @throws {RunnerError} If they cannot be fetched.
 */
export async function fetchFiles(
  cluster: Cluster,
  { pod, workspace, paths: { artifacts, code }, signal }: {
    readonly pod: string;
    readonly workspace: string;
    readonly paths: ResultPaths;
    readonly signal: AbortSignal;
  },
): Promise<string[]> {
  const parts = `${workspace}/${OWN_DIRECTORY}/pod-files`;
  const script =
    `cd ${JOB_DIRECTORY} && mkdir -p -- "$1" && for f do shift; [ ! -e "$f" ] || set -- "$@" "$f"; done && tar -czf - -- "$@" && { : >${SENT_FILE} || :; }`;
  try {
    await exec(cluster, {
      pod,
      container: FILES_CONTAINER,
      command: ["sh", "-c", script, "sh", artifacts, ...RESULT_FILES, ...code],
    }, {
      input: undefined,
      read: async (output) => {
        await removeTree(parts);
        await Deno.mkdir(parts, { recursive: true, mode: 0o700 });
        await unpackInto(parts, output, signal);
      },
      signal,
    });
    const move = async (paths: readonly string[]) => {
      const skipped: string[] = [];
      for (const path of paths) {
        skipped.push(
          ...await moveInto({
            from: await resolveIn(parts, path),
            to: await resolveIn(workspace, path),
            name: path,
          }),
        );
      }
      return skipped;
    };
    for (const path of code) await removeTree(await resolveIn(workspace, path));
    await move(code);
    return await move([...RESULT_FILES, artifacts]);
  } finally {
    await removeTree(parts);
  }
}

async function exec(
  cluster: Cluster,
  target: ExecTarget,
  { input, read, signal }: {
    readonly input: (() => AsyncIterable<Uint8Array>) | undefined;
    readonly read: (output: AsyncIterable<Uint8Array>) => Promise<void>;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  for (let attempt = 1;; attempt++) {
    try {
      await read(cluster.transport.exec(target, input?.(), signal));
      return;
    } catch (error) {
      signal.throwIfAborted();
      const isTemporary = error instanceof ClusterError && error.isTransient ||
        error instanceof TypeError;
      if (!isTemporary || attempt === MAX_ATTEMPTS) throw error;
      await pause(attempt * PAUSE_MS, signal);
    }
  }
}

function compress(
  bytes: AsyncIterable<Uint8Array>,
): AsyncIterable<Uint8Array> {
  return ReadableStream.from(bytes as AsyncIterable<Uint8Array<ArrayBuffer>>)
    .pipeThrough(new CompressionStream("gzip"));
}

async function unpackInto(
  directory: string,
  bytes: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  const budget = new Budget(LIMITS, LIMITS.maxBytes);
  const decompressed = ReadableStream.from(
    bytes as AsyncIterable<Uint8Array<ArrayBuffer>>,
  ).pipeThrough(new DecompressionStream("gzip"));
  const entries = tarEntries(budget.counted(decompressed), budget);
  await unpack(entries, directory, { stripTop: false, budget, signal });
}

/**
 * Returns the absolute path of a file. No link may lead its directory out of the
 * root, because neither the code nor a Pod is trusted.
 *
 * @throws {RunnerError} `workspace` if a link does.
 */
async function resolveIn(root: string, path: string): Promise<string> {
  return `${await guardPath(root, dirname(path))}/${basename(path)}`;
}

/**
 * Moves a file or directory to a place to which the runner may also have written,
 * without replacing its files.
 *
 * @returns Names of files that were not moved.
 */
async function moveInto({ from, to, name }: {
  readonly from: string;
  readonly to: string;
  readonly name: string;
}): Promise<string[]> {
  const info = await lstatIfThere(from);
  if (info === undefined) return [];
  const present = await lstatIfThere(to);
  if (present === undefined) {
    await Deno.mkdir(dirname(to), { recursive: true });
    await Deno.rename(from, to);
    return [];
  }
  if (!info.isDirectory || !present.isDirectory) return [name];
  const skipped: string[] = [];
  const members = await Array.fromAsync(Deno.readDir(from));
  for (const { name: member } of members) {
    skipped.push(
      ...await moveInto({
        from: `${from}/${member}`,
        to: `${to}/${member}`,
        name: `${name}/${member}`,
      }),
    );
  }
  return skipped;
}
