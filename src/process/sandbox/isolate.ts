import { RunnerError } from "../../errors.ts";
import { findContainment, type Namespace } from "../containment.ts";
import { findInheritedFiles } from "../inherited_files.ts";
import type { CommandLauncher } from "../spawn.ts";
import { PERL, perlWords } from "./confined_command.ts";
import {
  findSandbox,
  type Sandbox,
  type SandboxLimits,
} from "./find_sandbox.ts";
import { ownDirectories, type ProtectedPaths } from "./mount_words.ts";

/** How a command is isolated from the rest of the system. */
export interface Isolation {
  /** Whether the command is untrusted. */
  readonly isUntrusted: boolean;
  /** Directories that are read-only or hidden for an untrusted command. */
  readonly protectedPaths: ProtectedPaths;
  /** Access of the command; unset without restrictions. */
  readonly limits?: SandboxLimits;
  /** Whether the command must not start without its limits. */
  readonly areLimitsRequired: boolean;
  /** Whether the runner runs in a container that exists only for this job. */
  readonly isInContainer: boolean;
  /** Called with warnings about isolation that the system does not support. */
  readonly onWarning: (message: string) => void;
}

/**
 * Isolates a command as well as the system allows.
 *
 * @returns Launcher of the command; `undefined` if nothing isolates it.
 * @throws {RunnerError} `invalid-job` if required limits cannot be applied.
 */
export async function isolate(
  isolation: Isolation,
): Promise<CommandLauncher | undefined> {
  const { isUntrusted, protectedPaths, limits, isInContainer } = isolation;
  const { areLimitsRequired, onWarning } = isolation;
  const [{ namespace, problem }, finding] = await Promise.all([
    findContainment(isInContainer),
    limits && findSandbox(isInContainer),
  ]);
  if (isUntrusted && problem !== undefined) {
    onWarning(
      `Cannot guarantee that no process of an untrusted step outlives it: ${problem}`,
    );
  }
  if (
    isUntrusted && protectedPaths.readOnly?.length && !namespace?.hasMounts
  ) {
    onWarning(
      "Cannot keep untrusted steps from changing the logs of steps and the copy of the CI source: the system does not allow mount namespaces",
    );
  }
  // A trusted command uses files of the runner that untrusted ones must not see.
  const own = isUntrusted ? protectedPaths : {};
  const contained = namespace && {
    words: namespace.wordsFor(own),
    isolation: { hasNamespace: true },
  };
  if (limits !== undefined && finding?.sandbox) {
    const { sandbox } = finding;
    if (sandbox.weakness) {
      onWarning(`The sandbox of steps is incomplete: ${sandbox.weakness}`);
    }
    return {
      words: sandboxWords(sandbox, limits, own, namespace),
      isolation: { hasNamespace: namespace !== undefined },
    };
  }
  // A sandbox would have closed them.
  const inherited = isUntrusted ? await findInheritedFiles() : undefined;
  if (inherited !== undefined) {
    onWarning(`Cannot close open files for untrusted steps: ${inherited}`);
  }
  if (finding?.problem === undefined) return contained;
  if (areLimitsRequired) throw sandboxError(finding.problem);
  onWarning(`Cannot run untrusted steps in a sandbox: ${finding.problem}`);
  return contained;
}

function sandboxWords(
  sandbox: Sandbox,
  limits: SandboxLimits,
  own: ProtectedPaths,
  namespace: Namespace | undefined,
): readonly string[] {
  if (namespace === undefined) {
    return perlWords(PERL, sandbox.confinementFor(limits));
  }
  // A command that can write everywhere needs no protection.
  const visible = limits.write.includes("/") ? undefined : limits;
  return namespace.wordsFor(
    { ...own, visible },
    sandbox.confinementFor(
      namespace.hasMounts ? withOwnDirectories(limits) : limits,
    ),
  );
}

/** Grants access to the directories that a command gets with its mount namespace. */
function withOwnDirectories(limits: SandboxLimits): SandboxLimits {
  const own = ownDirectories(limits);
  return {
    ...limits,
    read: [...limits.read, ...own],
    write: [...limits.write, ...own],
  };
}

/** Creates the error for steps that need a sandbox. */
export function sandboxError(problem: string): RunnerError {
  return new RunnerError(
    `Cannot run a step with "permissions" in a sandbox: ${problem}`,
    { code: "invalid-job" },
  );
}
