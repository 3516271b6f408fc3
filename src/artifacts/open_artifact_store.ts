import { CACHE_NAME } from "../cache/cache_entry.ts";
import { openStore } from "../cache/open_store.ts";
import { readOptions } from "../config/load_config.ts";
import { childEnvironment } from "../environment/child_environment.ts";
import { osReason, RunnerError } from "../errors.ts";
import type { Host } from "../host.ts";
import type { ArtifactStore } from "./artifact.ts";

/** Options for {@linkcode openArtifactStore}. */
export interface OpenArtifactStoreOptions {
  /** Whether the token may be sent over plain HTTP. */
  readonly allowInsecureTransport: boolean;
  /** Absolute paths of directories for temporary files. */
  readonly temporaryParents: readonly string[];
}

/**
 * Opens the configured store. Artifacts are kept in the store of the cache.
 *
 * @throws {RunnerError} `invalid-config` if a setting is not valid;
 * `output-failed` if the store cannot be opened.
 */
export async function openArtifactStore(
  host: Pick<Host, "env" | "cwd">,
  { allowInsecureTransport, temporaryParents }: OpenArtifactStoreOptions,
): Promise<ArtifactStore> {
  const { env } = host;
  const settings = readOptions(host, [
    "cache_store",
    "cache_max_bytes",
    "artifact_namespace",
  ]);
  const { artifact_namespace: namespace, cache_max_bytes: maxBytes } = settings;
  if (!CACHE_NAME.test(namespace)) {
    throw new RunnerError(
      `Cannot use artifact namespace ${
        JSON.stringify(namespace)
      }: it must match ${CACHE_NAME}`,
      { code: "invalid-config" },
    );
  }
  try {
    return {
      store: await openStore(settings.cache_store ?? "", {
        env,
        allowInsecureTransport,
        isRequired: true,
      }),
      namespace,
      maxBytes,
      temporaryParents,
      env: childEnvironment(env, { kind: "tool" }),
    };
  } catch (cause) {
    if (cause instanceof RunnerError) throw cause;
    throw new RunnerError(
      `Cannot open the artifact store: ${osReason(cause)}`,
      { code: "output-failed", cause },
    );
  }
}
