import { findContainment } from "../../process/containment.ts";
import type { Finding } from "./finding.ts";

/**
 * Checks whether processes of an untrusted step can outlive it here.
 *
 * @param isInContainer Whether the runner is in a container for a job.
 * @returns What was found.
 */
export async function findUntrustedContainment(
  isInContainer: boolean,
): Promise<Finding> {
  const { namespace, problem } = await findContainment(isInContainer);
  return {
    state: problem === undefined ? "ok" : "missing",
    name: "untrusted steps",
    detail: namespace
      ? `PID${namespace.hasMounts ? " and mount" : ""} namespace`
      : "tags",
    purpose: problem === undefined
      ? "none of their processes outlives them"
      : `their processes may outlive them: ${problem}`,
  };
}
