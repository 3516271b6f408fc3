import { findNamespace, type Namespace } from "./namespace.ts";
import { type ProcessTree, tagProcessTree } from "./process_tree.ts";

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
