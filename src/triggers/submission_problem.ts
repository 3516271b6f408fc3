import type { Trigger } from "./trigger.ts";

/**
 * Describes why the coordinator would refuse a follow-up job of this job, though
 * it takes the same one from another job.
 *
 * A job that was submitted by hand has no execution profile, which could allow
 * capabilities, and no CI repository, which the coordinator puts in the place of
 * whatever a follow-up job names.
 *
 * @param trigger The follow-up job.
 * @param isEventJob Whether an event started the job that triggers.
 * @returns The end of a sentence that starts with the job, if there is a problem.
 */
export function submissionProblem(
  { capabilities = [], ciSourceType, ciSourceUrl, ciSourceRef }: Trigger,
  isEventJob: boolean,
): string | undefined {
  if (isEventJob) return undefined;
  const [field] = Object.entries({
    capabilities: capabilities.length > 0,
    ciSourceType: Boolean(ciSourceType) && ciSourceType !== "none",
    ciSourceUrl: Boolean(ciSourceUrl),
    ciSourceRef: Boolean(ciSourceRef),
  }).find(([, isSet]) => isSet) ?? [];
  return field &&
    `${field} must not be set: this job was submitted directly, and only a job that an event started can set it`;
}
