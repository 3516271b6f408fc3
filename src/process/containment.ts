/**
 * Containment of untrusted commands: in namespaces or, where the system does not
 * allow them, by tags (see `process_tree.ts`).
 *
 * 1. No process can leave its PID namespace, or see one outside. When its first
 *    process exits, the kernel kills all others and waits until they are gone.
 * 2. In a mount namespace, a directory can be made read-only or hidden for the
 *    command alone.
 * 3. The command must not be able to undo this. As root, it keeps only the
 *    capabilities that containers have. Otherwise, the other namespaces are
 *    created inside a user namespace, and the command gets a nested one, in
 *    which it has its own user ID again.
 *
 * @module
 */

import { quoteWord } from "../command_text.ts";
import { type ProcessTree, tagProcessTree } from "./process_tree.ts";
import { PERL } from "./sandbox/confined_command.ts";
import mounts from "./sandbox/mounts.pl" with { type: "text" };
import {
  mountWords,
  type ProtectedPaths,
  sharesMemory,
} from "./sandbox/mount_words.ts";

/** Number of `CAP_SYS_RESOURCE`, with which a process can raise its limits. */
const CAP_SYS_RESOURCE = 24n;

/** How the processes of an untrusted step are prevented from outliving it. */
export interface Containment {
  /** Namespaces for the step, if the system allows them. */
  readonly namespace?: Namespace;
  /** Why a process may outlive the step. */
  readonly problem?: string;
}

/**
 * Determines how an untrusted command can be contained on this system.
 *
 * @param isInContainer Whether the runner is in a container for this job.
 */
export async function findContainment(
  isInContainer: boolean,
): Promise<Containment> {
  const namespace = await findNamespace();
  return namespace ? { namespace } : await tagContainment(isInContainer);
}

/**
 * Determines how reliable tags are without a PID namespace.
 *
 * @param isInContainer Whether the runner is in a container for this job.
 * @returns The weakness of the tags, if there is one.
 */
export async function tagContainment(
  isInContainer: boolean,
): Promise<Containment> {
  const noNamespace = "the system does not allow PID namespaces";
  const tree = tagProcessTree({ isUntrusted: true });
  await tree.end();
  if (!tree.isTagged || !await isSetByShell(tree)) {
    return { problem: `${noNamespace}, and its processes cannot be tagged` };
  }
  if (canRaiseLimits()) {
    return { problem: `${noNamespace}, and root can remove its tag` };
  }
  return isInContainer ? {} : {
    problem: `${noNamespace}, and outside a container ` +
      `a process that changed its tag could belong to another user`,
  };
}

/** Checks whether the shell can set the limit that serves as a tag. */
async function isSetByShell({ shellText }: ProcessTree): Promise<boolean> {
  const [tag] = /\d+/.exec(shellText)!;
  try {
    const { stdout } = await new Deno.Command("/bin/sh", {
      args: [
        "-c",
        `${shellText} while read -r line; do echo "$line"; done < /proc/self/limits`,
      ],
      cwd: "/",
      clearEnv: true,
      stdin: "null",
      stderr: "null",
    }).output();
    return new TextDecoder().decode(stdout).includes(tag);
  } catch {
    // Deno may lack the permission to start it.
    return false;
  }
}

function canRaiseLimits(): boolean {
  const status = Deno.readTextFileSync("/proc/self/status");
  const [, effective] = /^CapEff:\s*([0-9a-f]+)/m.exec(status) ?? [];
  return (BigInt(`0x${effective ?? "0"}`) >> CAP_SYS_RESOURCE & 1n) === 1n;
}

/** Program that creates namespaces and executes another program in them. */
const UNSHARE = "/usr/bin/unshare";

/** Maximum time of an attempt, in milliseconds. */
const TRY_MS = 5_000;

/**
 * Capabilities of root in a container, as container engines grant them, except
 * for creating devices. With these, root cannot unmount file systems, open
 * files by handle, or inspect processes of other users.
 */
const CAPABILITIES = [
  "chown",
  "dac_override",
  "fowner",
  "fsetid",
  "kill",
  "setgid",
  "setuid",
  "setpcap",
  "net_bind_service",
  "net_raw",
  "sys_chroot",
  "audit_write",
  "setfcap",
].map((name) => `+${name}`).join(",");

/**
 * Lets `drop` run a command without the rights that created the namespaces. The
 * working directory is opened again, since something may be mounted on it. `cd`
 * would set variables.
 */
const DROP_AS_ROOT = `drop() {
  exec ${UNSHARE} "--wd=\${directory-.}" -- /usr/bin/setpriv --inh-caps=-all --bounding-set=-all,${CAPABILITIES} "$@"
}`;

/** The first process is root in its user namespace; the command keeps its user id. */
const DROP_AS_USER = `drop() {
  read -r _ user _ < /proc/self/uid_map
  read -r _ group _ < /proc/self/gid_map
  exec ${UNSHARE} "--wd=\${directory-.}" --user "--map-user=$user" "--map-group=$group" -- "$@"
}`;

/** For systems that only allow PID namespaces. */
const DROP_NOTHING = 'drop() { "$@"; }';

/**
 * The first process of the namespaces. Its arguments are a count, as many
 * arguments of `mounts.pl`, and the command.
 *
 * It exits when the command has ended and nothing else holds the output any
 * more: `bash -c 'exec > >(tee log); …'` ends when `tee` does. A process that
 * holds it for more than two seconds does not count. Signals that the runner
 * sends to the whole group do not end it, as the kernel protects the first
 * process, and without the trap, a shell would exit after SIGINT. The shell's
 * messages about signals that killed the command are dropped. `PATH` belongs to
 * the command, and is not used here.
 */
const INIT = `exec 3>&2 2>/dev/null
trap : INT
if [ "$1" != 0 ]; then
  directory=$(pwd -P)
  ${PERL} -e ${quoteWord(mounts)} "$@" 2>&3 || exit 126
  # With a new root, this directory is outside; the environment is restored.
  if [ "$4" = n ]; then cd /; fi
fi
shift "$(($1 + 1))"
(exec 2>&3 3>&-; drop "$@")
code=$?
for turn in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  held=
  for file in /proc/[0-9]*/fd/[12]; do
    case $file in /proc/1/*) continue ;; esac
    if [ "$file" -ef /proc/1/fd/1 ]; then held=1; fi
    if [ -p /proc/1/fd/3 ] && [ "$file" -ef /proc/1/fd/3 ]; then held=1; fi
  done
  [ "$held" ] || break
  /bin/sleep 0.1 >/dev/null
done
exit $code`;

/** A method of creating namespaces. */
interface Method {
  /** Options of `unshare`. */
  readonly options: readonly string[];
  /** How the command drops the rights that created them. */
  readonly drop: string;
  /** Whether directories can be protected. */
  readonly hasMounts: boolean;
}

/** Methods for each kind of user, the best first. */
const METHODS: readonly Method[] = [
  { options: [], drop: DROP_AS_ROOT, hasMounts: true },
  {
    options: ["--user", "--map-root-user"],
    drop: DROP_AS_USER,
    hasMounts: true,
  },
  { options: [], drop: DROP_NOTHING, hasMounts: false },
  {
    options: ["--user", "--map-current-user"],
    drop: DROP_NOTHING,
    hasMounts: false,
  },
];

/** System call numbers of `umount2` and `pivot_root`. */
const CALLS = { x86_64: ["166", "155"], aarch64: ["39", "41"] };

/** Namespaces in which this process can run a command. */
export interface Namespace {
  /** Whether paths can be protected. */
  readonly hasMounts: boolean;
  /**
   * Returns the words that precede a command.
   *
   * @param paths Directories to protect; ignored where that is not possible.
   * @returns The words.
   */
  wordsFor(paths?: ProtectedPaths): readonly string[];
}

let found: Promise<Namespace | undefined> | undefined;

/**
 * Determines once how this process can run a command in namespaces.
 *
 * @returns The namespaces; `undefined` if the system does not allow them: on
 * systems other than Linux, and in most containers.
 */
export function findNamespace(): Promise<Namespace | undefined> {
  return found ??= tryMethods();
}

async function tryMethods(): Promise<Namespace | undefined> {
  if (Deno.build.os !== "linux") return undefined;
  for (const method of METHODS) {
    const namespace = namespaceOf(method);
    const words = namespace.wordsFor({
      hidden: [{ path: "/tmp" }],
      visible: { read: ["/"], write: ["/dev/null"], aliases: [] },
    });
    // Checks that the command can do what it must be able to do.
    if (await works([...words, "/bin/sh", "-c", "echo > /dev/null"])) {
      return namespace;
    }
  }
  return undefined;
}

function namespaceOf({ options, drop, hasMounts }: Method): Namespace {
  return {
    hasMounts,
    wordsFor: (paths = {}) => {
      const words = hasMounts ? mountWords(paths) : [];
      const given = words.length === 0
        ? []
        : [...CALLS[Deno.build.arch], ...words];
      const { visible } = paths;
      const isMemoryOwn = hasMounts && visible && !sharesMemory(visible);
      return [
        UNSHARE,
        ...options,
        ...isMemoryOwn ? ["--ipc"] : [],
        ...["--pid", "--fork", "--kill-child", "--mount-proc", "--"],
        ...["/bin/sh", "-c", `${drop}\n${INIT}`, "sh"],
        ...[String(given.length), ...given],
      ];
    },
  };
}

async function works([program, ...args]: readonly string[]): Promise<boolean> {
  // On a terminal, Deno would prompt for a program that no job file names.
  const { state } = Deno.permissions.querySync({
    name: "run",
    command: program,
  });
  if (state !== "granted") return false;
  try {
    const { success } = await new Deno.Command(program, {
      args,
      cwd: "/",
      clearEnv: true,
      stdin: "null",
      stdout: "null",
      stderr: "null",
      signal: AbortSignal.timeout(TRY_MS),
    }).output();
    return success;
  } catch {
    // The program is missing, or Deno has no permission to start it.
    return false;
  }
}
