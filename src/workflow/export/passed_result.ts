import { isSavedArtifact } from "../../artifacts/artifact_manifest.ts";
import type { SavedArtifact } from "../../artifacts/artifact.ts";
import { isDeeperThan, isObject, parseJson } from "../../json_value.ts";
import type { NodeEnd } from "../local/node_states.ts";
import type { JsonObject } from "../local/workflow_state.ts";

/** Result that an exported job passes to the jobs that need it. */
export interface PassedResult {
  /** How the job ended. */
  readonly status: NodeEnd | "skipped";
  /** Variables of the workflow that the job received or set. */
  readonly vars: JsonObject;
  /** Artifacts that the job saved. */
  readonly artifacts: readonly SavedArtifact[];
}

/** Maximum depth of a result, including the values that a job passes on. */
const MAX_DEPTH = 1_010;

const BASE64_URL = { alphabet: "base64url", omitPadding: true } as const;

const STATUSES: readonly PassedResult["status"][] = [
  "completed",
  "failed",
  "cancelled",
  "timeout",
  "skipped",
];

/**
 * Encodes a result so that every engine passes it on unchanged: as one line of
 * characters that are special to neither engines nor shells.
 *
 * @returns Letters, digits, `-` and `_`.
 */
export function encodeResult(result: PassedResult): string {
  return new TextEncoder().encode(JSON.stringify(result))
    .toBase64(BASE64_URL);
}

/**
 * Decodes a result.
 *
 * @returns The result; `undefined` if the text is not one.
 */
export function decodeResult(text: string): PassedResult | undefined {
  const result = parseJson(decoded(text));
  if (!isObject(result) || isDeeperThan(result, MAX_DEPTH)) return undefined;
  const { status, vars, artifacts } = result;
  const known = STATUSES.find((name) => name === status);
  if (known === undefined || !isObject(vars)) return undefined;
  return {
    status: known,
    vars: vars as JsonObject,
    artifacts: Array.isArray(artifacts)
      ? artifacts.filter(isSavedArtifact)
      : [],
  };
}

function decoded(text: string): string {
  try {
    return new TextDecoder().decode(Uint8Array.fromBase64(text, BASE64_URL));
  } catch {
    // The text is not base64; an empty text is not valid JSON.
    return "";
  }
}
