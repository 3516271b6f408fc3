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

import { type ProcessTree, tagProcessTree } from "./process_tree.ts";
import {
  accessByPath,
  type Confinement,
  PERL,
  perlCode,
  ruleWords,
  withoutComments,
} from "./sandbox/confined_command.ts";
import confine from "./sandbox/confine.pl" with { type: "text" };
import inheritedRights from "./sandbox/inherited_rights.pl" with {
  type: "text",
};
import mounts from "./sandbox/mounts.pl" with { type: "text" };
import {
  mountWords,
  type ProtectedPaths,
  RARE_MOUNT,
  sharesMemory,
} from "./sandbox/mount_words.ts";
import { NARROWEST, PRINT_FACTS, probe } from "./sandbox/probe.ts";
import namespaces from "./sandbox/namespaces.pl" with { type: "text" };
import rareMounts from "./sandbox/rare_mounts.pl" with { type: "text" };
import rootRights from "./sandbox/root_rights.pl" with { type: "text" };
import userRights from "./sandbox/user_rights.pl" with { type: "text" };
import waitForOutput from "./sandbox/wait_for_output.pl" with { type: "text" };

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
  if (namespace) return { namespace };
  const found = containmentByTags.get(isInContainer) ??
    tagContainment(isInContainer);
  containmentByTags.set(isInContainer, found);
  return await found;
}

/** Results of {@linkcode tagContainment}, by whether there is a container. */
const containmentByTags = new Map<boolean, Promise<Containment>>();

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
  if (!tree.isTagged || !await canShellSetTag(tree)) {
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
async function canShellSetTag({ shellText }: ProcessTree): Promise<boolean> {
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

const RARE_CODE = perlCode(rareMounts);

const WAIT_CODE = withoutComments(waitForOutput);

/** Flags of `unshare(2)` for every command: a PID and a mount namespace. */
const BASIC_FLAGS = 0x20000000 | 0x00020000;

/** Flag of `unshare(2)` for an IPC namespace. */
const IPC_FLAG = 0x08000000;

/** A kind of user that can create namespaces. */
interface User {
  /** More flags of `unshare(2)`. */
  readonly flags: number;
  /** Perl code that creates the namespaces and starts a command in them. */
  readonly code: string;
}

const ROOT: User = {
  flags: 0,
  code: perlCode(
    confine,
    mounts,
    rootRights,
    "sub drop_inherited_rights {}",
    namespaces,
  ),
};

/** Root whose programs may inherit capabilities. */
const ROOT_WITH_INHERITED: User = {
  flags: 0,
  code: perlCode(confine, mounts, rootRights, inheritedRights, namespaces),
};

const ANY_USER: User = {
  flags: 0x10000000,
  code: perlCode(confine, mounts, userRights, namespaces),
};

/** A method of creating namespaces. */
interface Method {
  /** As whom they are created. */
  readonly user: User;
  /** Whether directories can be protected. */
  readonly hasMounts: boolean;
}

/** Methods for each kind of user, the best first. */
const METHODS: readonly Method[] = [
  { user: ROOT_WITH_INHERITED, hasMounts: true },
  { user: ANY_USER, hasMounts: true },
  { user: ROOT_WITH_INHERITED, hasMounts: false },
  { user: ANY_USER, hasMounts: false },
];

/** Namespaces in which this process can run a command. */
export interface Namespace {
  /** Whether paths can be protected. */
  readonly hasMounts: boolean;
  /**
   * Returns the words that precede a command.
   *
   * @param paths Directories to protect; ignored where that is not possible.
   * @param confinement What the command may access.
   * @returns The words.
   */
  wordsFor(
    paths: ProtectedPaths,
    confinement?: Confinement,
  ): readonly string[];
}

/** Namespaces that were found by a probe. */
interface FoundNamespace {
  readonly namespace?: Namespace;
  /** Version of Landlock, if a command can be confined in them as well. */
  readonly landlockVersion?: number;
}

let found: Promise<FoundNamespace> | undefined;

/**
 * Determines once how this process can run a command in namespaces.
 *
 * @returns The namespaces; `undefined` if the system does not allow them: on
 * systems other than Linux, and in most containers.
 */
export async function findNamespace(): Promise<Namespace | undefined> {
  return (await probeNamespaces()).namespace;
}

/** Like {@linkcode findNamespace}, and tries whether Landlock works in them. */
export function probeNamespaces(): Promise<FoundNamespace> {
  return found ??= tryMethods();
}

/** Paths of a probe. */
const PROBED_PATHS: ProtectedPaths = {
  hidden: [{ path: "/tmp" }],
  visible: { read: ["/"], write: ["/dev/null"], links: [] },
};

async function tryMethods(): Promise<FoundNamespace> {
  if (Deno.build.os !== "linux") return {};
  for (const method of METHODS) {
    const confined = await probe(
      launcherWords(method, PROBED_PATHS, NARROWEST, PRINT_FACTS),
    );
    if (confined === undefined) return {};
    const { works, landlockVersion, inheritsNothing, errors } = confined;
    const namespace = createNamespace(
      inheritsNothing && method.user === ROOT_WITH_INHERITED
        ? { ...method, user: ROOT }
        : method,
    );
    if (works) return { namespace, landlockVersion };
    if (errors.startsWith(NO_NAMESPACES)) continue;
    const unconfined = await probe(namespace.wordsFor(PROBED_PATHS));
    if (unconfined?.works) return { namespace };
  }
  return {};
}

/** Start of the message of `namespaces.pl` if there are no namespaces. */
const NO_NAMESPACES = "Cannot create namespaces: ";

function createNamespace(method: Method): Namespace {
  return {
    hasMounts: method.hasMounts,
    wordsFor: (paths, confinement) => launcherWords(method, paths, confinement),
  };
}

/**
 * Returns the words that precede a command.
 *
 * @param before Perl code that runs first.
 */
function launcherWords(
  { user, hasMounts }: Method,
  paths: ProtectedPaths,
  confinement: Confinement | undefined,
  before = "",
): string[] {
  const { visible } = paths;
  const hasOwnMemory = hasMounts && visible && !sharesMemory(visible);
  const flags = BASIC_FLAGS | user.flags | (hasOwnMemory ? IPC_FLAG : 0);
  const access = confinement ? accessByPath(confinement) : new Map();
  const words = mountWords(hasMounts ? paths : {}, access);
  const rare = words.some((word) => RARE_MOUNT.test(word)) ? RARE_CODE : "";
  return [
    ...[PERL, "-e", `${before}${user.code}${rare}`],
    ...[String(flags), WAIT_CODE],
    ...confinement ? ruleWords(confinement) : [],
    ...words,
    "--",
  ];
}
