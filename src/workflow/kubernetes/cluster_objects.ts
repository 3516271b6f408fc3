/**
 * The parts of Kubernetes objects that the runner reads and writes.
 *
 * Objects from an API server are not trusted: only parts of the expected types are
 * kept, and strings become single lines that are safe to display.
 *
 * @module
 */
import { isObject } from "../../json_value.ts";
import { oneLine } from "../../terminal/text.ts";

/** Maximum length of a text, in characters. */
const MAX_TEXT_LENGTH = 1_000;

/** Valid names of objects, which become parts of paths and arguments of kubectl. */
const NAME = /^[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?$/;

/** Maximum number of conditions, containers or labels. */
const MAX_MEMBERS = 100;

/** Metadata of an object. */
interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly deletionTimestamp?: string;
  readonly ownerReferences?: readonly OwnerReference[];
}

/** Owner of an object, which is removed together with its owner. */
export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
}

/** A condition of a Job or a Pod. */
export interface ObjectCondition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
}

/** State of a container; at most one of the members is set. */
interface ContainerState {
  readonly waiting?: { readonly reason?: string; readonly message?: string };
  readonly running?: { readonly startedAt?: string };
  readonly terminated?: {
    readonly exitCode: number;
    readonly signal?: number;
    readonly reason?: string;
    readonly message?: string;
  };
}

/** Status of a container of a Pod. */
export interface ContainerStatus {
  readonly name: string;
  readonly image?: string;
  readonly state?: ContainerState;
}

/** The parts of a Pod that describe its state. */
export interface Pod {
  readonly metadata: ObjectMeta;
  readonly status?: {
    readonly phase?: string;
    readonly reason?: string;
    readonly message?: string;
    readonly conditions?: readonly ObjectCondition[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
    readonly containerStatuses?: readonly ContainerStatus[];
  };
}

/** The parts of a Job that describe its state. */
export interface JobObject {
  readonly metadata: ObjectMeta;
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly status?: { readonly conditions?: readonly ObjectCondition[] };
}

/** A toleration of a Pod, as the API defines it. */
export interface Toleration {
  readonly key?: string;
  readonly operator?: "Equal" | "Exists";
  readonly value?: string;
  readonly effect?: "NoSchedule" | "PreferNoSchedule" | "NoExecute";
  readonly tolerationSeconds?: number;
}

/** An object to create. */
export interface ObjectManifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly [field: string]: unknown;
}

/**
 * Reads a Job or a Pod.
 *
 * @returns `undefined` if it has no valid name.
 */
export function readObject(value: unknown): JobObject & Pod | undefined {
  const metadata = readMetadata(isObject(value) ? value.metadata : undefined);
  if (metadata === undefined) return undefined;
  const { spec, status } = value as Record<string, unknown>;
  return {
    metadata,
    ...isObject(spec) ? { spec } : {},
    ...isObject(status) ? { status: readStatus(status) } : {},
  };
}

/** Returns a text as one line; `undefined` if it is not text. */
export function readString(value: unknown): string | undefined {
  return typeof value === "string"
    ? oneLine(value.slice(0, MAX_TEXT_LENGTH))
    : undefined;
}

function readMetadata(value: unknown): ObjectMeta | undefined {
  if (!isObject(value)) return undefined;
  const { name } = value;
  if (typeof name !== "string" || !NAME.test(name)) return undefined;
  const labels = isObject(value.labels) ? value.labels : {};
  return {
    name,
    ...readStrings(value, ["uid", "resourceVersion", "deletionTimestamp"]),
    labels: Object.fromEntries(
      Object.entries(labels).slice(0, MAX_MEMBERS)
        .map(([key, label]) => [key, readString(label) ?? ""]),
    ),
  };
}

function readStatus(
  status: Record<string, unknown>,
): NonNullable<(JobObject & Pod)["status"]> {
  return {
    ...readStrings(status, ["phase", "reason", "message"]),
    conditions: readMembers(status.conditions).map(readCondition),
    initContainerStatuses: readMembers(status.initContainerStatuses)
      .map(readContainer),
    containerStatuses: readMembers(status.containerStatuses).map(readContainer),
  };
}

function readCondition(value: Record<string, unknown>): ObjectCondition {
  return {
    type: readString(value.type) ?? "",
    status: readString(value.status) ?? "",
    ...readStrings(value, ["reason", "message"]),
  };
}

function readContainer(value: Record<string, unknown>): ContainerStatus {
  return {
    name: readString(value.name) ?? "",
    ...readStrings(value, ["image"]),
    ...isObject(value.state) ? { state: readState(value.state) } : {},
  };
}

function readState(
  { waiting, running, terminated }: Record<string, unknown>,
): ContainerState {
  return {
    ...isObject(waiting)
      ? { waiting: readStrings(waiting, ["reason", "message"]) }
      : {},
    ...isObject(running)
      ? { running: readStrings(running, ["startedAt"]) }
      : {},
    ...isObject(terminated)
      ? {
        terminated: {
          // An invalid exit code must not count as success.
          exitCode: readByte(terminated.exitCode) ?? 1,
          signal: readByte(terminated.signal),
          ...readStrings(terminated, ["reason", "message"]),
        },
      }
      : {},
  };
}

function readByte(value: unknown): number | undefined {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 255
    ? Number(value)
    : undefined;
}

function readMembers(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value)
    ? value.slice(0, MAX_MEMBERS).filter(isObject)
    : [];
}

/** Returns those of some properties that are strings. */
function readStrings<K extends string>(
  value: Record<string, unknown>,
  keys: readonly K[],
): { [key in K]?: string } {
  return Object.fromEntries(
    keys.flatMap((key) => {
      const text = readString(value[key]);
      return text === undefined ? [] : [[key, text]];
    }),
  ) as { [key in K]?: string };
}
