/**
 * What a coordinator checks of a job of a trigger document, when it checks it,
 * and what a worker checks after that. Written from the coordinator's behaviour,
 * and sharing nothing with the code under test.
 */

import type { DecodedJob } from "./trigger_decoder.ts";

/** Limits of an execution profile; a missing field means no limit. */
export interface ExecutionProfile {
  capabilities?: string[];
  mayRunAsRoot?: boolean;
  timeoutCeiling?: number;
}

/** The job that submits. */
export interface ParentJob {
  /** Profile of a job that an event started; other jobs have none. */
  profile?: ExecutionProfile;
  /** Repository of the trusted CI code of a job that an event started. */
  ciRepository?: string;
}

/** Maximum size of a row of an index, in bytes. */
const MAX_INDEXED_BYTES = 2_700;

/** Returns why the database rejects a node; no job is in the queue yet. */
export function findStoreProblem(job: DecodedJob): string | undefined {
  if (JSON.stringify(job).includes("\\u0000")) return "NUL in a text";
  const bytes = new TextEncoder().encode(job.job_name).length;
  return bytes + 16 > MAX_INDEXED_BYTES ? "index row too large" : undefined;
}

/**
 * Returns why a node that is ready does not become a job; jobs before it are in
 * the queue already.
 */
export function findSubmitProblem(
  job: DecodedJob,
  { profile }: ParentJob,
): string | undefined {
  const characteristics = Object.entries(job.characteristics as object);
  for (const [key, value] of characteristics) {
    if (key === "") return "empty key of a characteristic";
    if (typeof value !== "string" && typeof value !== "boolean") {
      return `characteristic ${key} is neither a string nor a bool`;
    }
  }
  const resources = findResourcesProblem(job.resources as Json);
  if (resources !== undefined) return resources;
  const limit = profile === undefined ? [] : profile.capabilities;
  const capabilities = job.capabilities as string[];
  const added = capabilities.find((capability) =>
    limit && !limit.includes(capability)
  );
  if (added !== undefined) return `adds capability ${added}`;
  const secrets = job.image_pull_secrets as string[];
  if (new Set(secrets).size < secrets.length) return "pull secret given twice";
  const wrong = secrets.find((name) =>
    name.length > 253 ||
    name.split(".").some((label) => !isDnsLabel(label))
  );
  if (wrong !== undefined) return `pull secret ${JSON.stringify(wrong)}`;
  const user = job.run_as_user as string;
  const isRoot = user === "root" || user === "0" || user.startsWith("0:");
  if (profile?.mayRunAsRoot === false && isRoot) return "root is denied";
  const timeout = job.timeout as number | undefined;
  if (
    timeout !== undefined && timeout > (profile?.timeoutCeiling ?? Infinity)
  ) {
    return "timeout above the ceiling";
  }
  for (const key of ["priority", "timeout"]) {
    const value = (job[key] as number | undefined) ?? 0;
    if (value !== (value | 0)) return `${key} out of range for integer`;
  }
  for (const key of ["source_type", "ci_source_type"]) {
    if (!["", "git", "copy", "none"].includes(job[key] as string)) {
      return `${key} is not in the enumeration`;
    }
  }
  return undefined;
}

/** Returns why a worker cannot start a job that the coordinator has created. */
export function findStartProblem(
  job: DecodedJob,
  env: Record<string, string>,
  { ciRepository }: ParentJob,
): string | undefined {
  for (const [name, value] of Object.entries(env)) {
    if (name === "" || name.includes("=")) return "name of a variable";
    const bytes = new TextEncoder().encode(`${name}=${value}`).length + 1;
    if (bytes > 131_072) return `variable ${name} is too long`;
  }
  if (new TextEncoder().encode(job.job_command).length + 1 > 131_072) {
    return "command is too long";
  }
  const user = (job.run_as_user as string).trim().toLowerCase();
  const [uid, gid = ""] = user.split(":", 2);
  const isName = ["", "runner", "root"].includes(user);
  if (!isName && !(/^\d+$/.test(uid) && /^\d*$/.test(gid))) {
    return "run_as.user";
  }
  const hasCi = !["", "none"].includes(job.ci_source_type as string);
  // The CI repository of the workflow replaces that of the document.
  if (hasCi && !ciRepository) return "CI source without an address";
  return undefined;
}

/** Formats an item as the coordinator does. */
export function formatItem(item: unknown): string {
  if (typeof item === "string") return item;
  if (typeof item === "number" && (item >= 1e6 || item !== Math.round(item))) {
    return item.toExponential();
  }
  const sorted = (value: unknown): unknown =>
    Array.isArray(value)
      ? value.map(sorted)
      : typeof value === "object" && value !== null
      ? Object.fromEntries(
        Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1)
          .map(([key, member]) => [key, sorted(member)]),
      )
      : value;
  return JSON.stringify(sorted(item))
    .replace(
      /[<>&\u2028\u2029]/g,
      (character) =>
        `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
    );
}

type Json = { [key: string]: unknown };

function findResourcesProblem(resources: Json): string | undefined {
  const known: Record<string, string[]> = {
    cpu: ["request", "limit"],
    memory: ["limit"],
  };
  for (const [group, members] of Object.entries(resources)) {
    if (!Object.hasOwn(known, group)) return `resources.${group}`;
    if (
      typeof members !== "object" || members === null || Array.isArray(members)
    ) return `resources.${group} is not a map`;
    for (const [key, amount] of Object.entries(members)) {
      if (!known[group].includes(key)) return `resources.${group}.${key}`;
      if (typeof amount !== "string" && typeof amount !== "number") {
        return `resources.${group}.${key} is not an amount`;
      }
      const text = String(amount).trim();
      const isValid = group === "cpu" ? isCpu(text) : isMemory(text);
      if (!isValid) return `resources.${group}.${key} ${text}`;
    }
  }
  return undefined;
}

/** Checks for cores as a float, or whole millicores. */
function isCpu(text: string): boolean {
  if (text.endsWith("m")) return /^\+?\d+$/.test(text.slice(0, -1));
  return isFloat(text);
}

function isMemory(text: string): boolean {
  const binary = ["Ki", "Mi", "Gi", "Ti", "Pi"];
  if (binary.includes(text.slice(-2))) return isFloat(text.slice(0, -2));
  const hasByte = /[Bb]$/.test(text);
  const rest = hasByte ? text.slice(0, -1) : text;
  if (rest !== "" && "KMGTP".includes(rest.slice(-1))) {
    return isFloat(rest.slice(0, -1));
  }
  return !hasByte && isFloat(text);
}

/** Checks for a float, perhaps with an exponent. */
function isFloat(text: string): boolean {
  return /^\+?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text);
}

function isDnsLabel(label: string): boolean {
  return label !== "" &&
    [...label].every((character, at) =>
      "abcdefghijklmnopqrstuvwxyz0123456789".includes(character) ||
      character === "-" && at > 0 && at < label.length - 1
    );
}
