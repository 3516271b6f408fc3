import { REPOSITORY } from "../cli.ts";
import { ContainerLog } from "./container_log.ts";

/** A container to start. */
export interface ContainerSpec {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Directories of this machine by their paths in the container. */
  readonly mounts: Readonly<Record<string, string>>;
  /** Absolute path of an empty directory for the root of the container. */
  readonly root: string;
  readonly uid: number;
  readonly gid: number;
  /** Absolute path of Deno's cache. */
  readonly cache: string;
  /** Difference of the node's clock and ours, in milliseconds. */
  readonly clockMs: number;
}

/** Directories of this machine that an image with a shell consists of. */
const SYSTEM = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc", "/dev"];

/** Where the runner of an image is. */
const RUNNER = `#!/bin/sh
exec /opt/bin/deno run --no-prompt -A --no-check --cached-only ${REPOSITORY}/cli.ts "$@"
`;

/**
 * Makes a root directory out of this machine's and the volumes of the Pod, and
 * runs a command in it as the user of the container. Arguments are the paths to
 * mount, with their places.
 */
const START = `set -e
root=$1 uid=$2 gid=$3 runner=$4; shift 4
mount -t tmpfs -o mode=755 tmpfs "$root"
mkdir -p "$root/proc" "$root/tmp" "$root/opt/bin" "$root/opt/deno"
chmod 1777 "$root/tmp" "$root/opt/deno"
mount -t proc proc "$root/proc"
while [ "$1" != -- ]; do
  if [ -L "$1" ]; then cp -P "$1" "$root$2"
  elif [ -d "$1" ]; then mkdir -p "$root$2"; mount --rbind "$1" "$root$2"
  elif [ -f "$1" ]; then : > "$root$2"; mount --bind "$1" "$root$2"; fi
  shift 2
done
shift
if [ -n "$runner" ]; then
  printf %s "$runner" > "$root/opt/bin/runnerlib"
  chmod 755 "$root/opt/bin/runnerlib"
fi
if [ "$uid" = keep ]; then exec chroot "$root" "$@"; fi
exec chroot "$root" setpriv --reuid="$uid" --regid="$gid" --clear-groups -- "$@"
`;

/** Checks whether namespaces can be created on this machine. */
export async function hasNamespaces(): Promise<boolean> {
  const root = Deno.uid() === 0 ? [] : ["--user", "--map-root-user"];
  try {
    const { success } = await new Deno.Command("unshare", {
      args: [...root, "--mount", "--pid", "--fork", "true"],
      stderr: "null",
    }).output();
    return success;
  } catch {
    return false;
  }
}

/** Variables in the environment of every image. */
const IMAGE_ENV = {
  PATH: "/opt/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
  DENO_DIR: "/opt/deno",
  DENO_NO_UPDATE_CHECK: "1",
  NO_COLOR: "1",
};

/** A running container: a process tree with namespaces of its own. */
export class ContainerProcess {
  readonly log: ContainerLog;
  /** Exit code, once it has ended. */
  readonly exitCode: Promise<number>;
  /** Resolves when programs can enter it, or when it has ended. */
  readonly started: Promise<void>;
  readonly #child: Deno.ChildProcess;
  readonly #user: readonly string[];

  constructor(spec: ContainerSpec) {
    const { command, env, mounts, root, uid, gid, cache } = spec;
    this.log = new ContainerLog(spec.clockMs);
    const isRoot = Deno.uid() === 0;
    const volumes = Object.entries(mounts)
      .map(([target, source]) => [source, target]);
    // Containers that only move files do not need the runner.
    const hasRunner = volumes.length > 1;
    const places = [
      ...SYSTEM.map((path) => [path, path]),
      ...hasRunner
        ? [
          [REPOSITORY, REPOSITORY],
          [Deno.execPath(), "/opt/bin/deno"],
          ...["npm", "gen"].map((name) => [
            ...[`${cache}/${name}`, `/opt/deno/${name}`],
          ]),
        ]
        : [],
      ...volumes,
    ];
    this.#user = isRoot ? [`--setuid=${uid}`, `--setgid=${gid}`] : [];
    this.#child = new Deno.Command("unshare", {
      args: [
        ...isRoot ? [] : ["--user", "--map-root-user"],
        ...["--mount", "--pid", "--fork", "--kill-child"],
        ...["sh", "-c", START, "sh", root],
        ...isRoot ? [String(uid), String(gid)] : ["keep", "keep"],
        hasRunner ? RUNNER : "",
        ...places.flat(),
        "--",
        ...command,
      ],
      clearEnv: true,
      env: { ...IMAGE_ENV, ...env },
      cwd: "/",
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.exitCode = this.#end();
    this.started = this.#start();
  }

  /** Waits until its first process has its own root directory, or has ended. */
  async #start(): Promise<void> {
    for (;;) {
      const pid = this.#firstPid();
      if (pid === undefined || pid > 0 && hasOwnRoot(pid)) return;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** Sends a signal to the first process of the container. */
  async signal(signal: Deno.Signal): Promise<void> {
    for (;;) {
      const pid = this.#firstPid();
      if (pid === undefined) return;
      if (pid > 0) {
        try {
          Deno.kill(pid, signal);
        } catch {
          // It has ended.
        }
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** Runs another program in the container. */
  exec(command: readonly string[]): Deno.ChildProcess {
    return new Deno.Command("nsenter", {
      args: [
        ...[`--target=${this.#firstPid()}`, "--mount", "--pid", "--root"],
        ...Deno.uid() === 0 ? [] : ["--user", "--preserve-credentials"],
        ...[...this.#user, "--wd=/", "--", ...command],
      ],
      clearEnv: true,
      env: IMAGE_ENV,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  }

  /**
   * `unshare` has one child, which is the first process of the container.
   *
   * @returns Its ID; 0 if it has not started, `undefined` if it has ended.
   */
  #firstPid(): number | undefined {
    const { pid } = this.#child;
    try {
      const path = `/proc/${pid}/task/${pid}/children`;
      return Number(Deno.readTextFileSync(path).trim().split(" ")[0]);
    } catch {
      return undefined;
    }
  }

  async #end(): Promise<number> {
    const { stdout, stderr, status } = this.#child;
    await Promise.all([this.log.read(stdout), this.log.read(stderr)]);
    const { code, signal } = await status;
    this.log.close();
    return signal === "SIGKILL" ? 137 : code;
  }
}

function hasOwnRoot(pid: number): boolean {
  try {
    return Deno.readLinkSync(`/proc/${pid}/root`) !== "/";
  } catch {
    // It is entering its namespaces, or has ended.
    return false;
  }
}
