import {
  type ChildEnvironment,
  childEnvironment,
  visibleToJobs,
} from "../../environment/child_environment.ts";
import type { Environment } from "../../environment/variables.ts";
import { osReason } from "../../errors.ts";
import { readUntrusted } from "../../fs/untrusted_file.ts";
import { isInside } from "../../job_path.ts";
import type { Cancellation } from "../../process/cancellation.ts";
import { captureBytes } from "../../process/capture.ts";
import { oneLine } from "../../terminal/text.ts";
import { referenceTo } from "../references.ts";
import { findProgram, trustedPath } from "./find_program.ts";
import type { SecretProviders } from "./provider_definition.ts";
import { readSecret, type SecretDocument } from "./provider_output.ts";
import { createRequest, type ProviderRequest } from "./provider_request.ts";

/** Maximum number of concurrent calls of providers. */
const MAX_CONCURRENT = 4;

/** Length of the end of standard error that a message shows, in characters. */
const SHOWN_LENGTH = 400;

/** Parts of the runner that providers need. */
export interface ProviderContext {
  /** Environment of the runner. */
  readonly env: Environment;
  /** Directory of the job's files, in which no program is looked up. */
  readonly workspace: string;
  /** Other directories that tested code can write to. */
  readonly untrusted: readonly string[];
  readonly cancellation: Cancellation;
  /** Masks a secret; called before the value is returned. */
  readonly onSecret: (name: string, value: string) => void;
  /** Masks known secrets in a text. */
  readonly mask: (text: string) => string;
}

/** Returns a secret of a provider. */
export type ProviderLookup = (
  provider: string,
  path: string,
  key: string,
) => Promise<string>;

/**
 * Creates a function that returns secrets of providers. Each provider is called
 * once for a path; a few run at the same time. If it fails, the function throws
 * an error with the reason. The error quotes the output of the provider only if
 * `show_errors` is set.
 *
 * @param providers Configured providers.
 */
export function providerLookup(
  providers: SecretProviders,
  context: ProviderContext,
): ProviderLookup {
  const documents = new Map<string, Promise<SecretDocument>>();
  const limited = limitConcurrency(MAX_CONCURRENT);
  return async (name, path, key) => {
    const request = createRequest(providers, name, path, key);
    let document = documents.get(request.id);
    if (document === undefined) {
      document = limited(() => readDocument(request, context));
      documents.set(request.id, document);
    }
    const value = readSecret(await document, key);
    context.onSecret(referenceTo(path, key, name), value);
    return value;
  };
}

async function readDocument(
  request: ProviderRequest,
  context: ProviderContext,
): Promise<SecretDocument> {
  const { provider, path } = request;
  switch (provider.type) {
    case "env": {
      const value = visibleToJobs(context.env)[path] ?? "";
      if (value === "") throw new TypeError("the variable is not set");
      return { text: value };
    }
    case "file": {
      const bytes = await readFile(request);
      return { bytes, format: provider.format, jsonPath: provider.jsonPath };
    }
    default: {
      const bytes = await runProgram(request, context);
      const format = provider.type === "command"
        ? provider.format
        : provider.type;
      return { bytes, format, jsonPath: provider.jsonPath };
    }
  }
}

async function readFile(
  { provider: { directory, maxBytes, timeoutMs }, path }: ProviderRequest,
): Promise<Uint8Array<ArrayBuffer>> {
  try {
    // Kubernetes mounts secrets as links to files in the same directory.
    const [root, file] = await Promise.all(
      [directory, `${directory}/${path}`].map((path) => Deno.realPath(path)),
    );
    if (!isInside(root, file)) {
      throw new TypeError("the file is a link that leaves the directory");
    }
    return await readUntrusted(file, { maxBytes, timeoutMs });
  } catch (error) {
    if (error instanceof TypeError) throw error;
    throw new TypeError(`cannot read the file: ${osReason(error)}`, {
      cause: error,
    });
  }
}

async function runProgram(
  { provider, argv: [name, ...args], stdin }: ProviderRequest,
  context: ProviderContext,
): Promise<Uint8Array<ArrayBuffer>> {
  const { workspace, untrusted, cancellation } = context;
  const { timeoutMs, maxBytes, showsErrors } = provider;
  const path = await trustedPath(context.env.PATH, [workspace, ...untrusted]);
  const program = await findProgram(name, path, workspace);
  const env: ChildEnvironment = childEnvironment(context.env, {
    kind: "secret-provider",
    path,
  });
  const result = await captureBytes([program, ...args], {
    // A program may read its configuration from the current directory.
    cwd: "/",
    env,
    cancellation,
    timeoutMs,
    maxBytes,
    graceMs: 1_000,
    drainMs: 1_000,
    ...stdin === undefined ? {} : { stdin: new TextEncoder().encode(stdin) },
  });
  if (result.cause === "timeout") {
    throw new TypeError(`its program did not end within ${timeoutMs / 1_000}s`);
  }
  if (result.exitCode === 0) return result.stdout;
  throw new TypeError(
    `its program ended with exit code ${result.exitCode}${
      showsErrors ? formatStderr(result.stderr, context) : ""
    }`,
  );
}

function formatStderr(bytes: Uint8Array, { mask }: ProviderContext): string {
  const text = oneLine(mask(new TextDecoder().decode(bytes).trim())).trim();
  return text === "" ? "" : `: ${text.slice(-SHOWN_LENGTH)}`;
}

/** Limits how many tasks run at once. */
function limitConcurrency(
  maxCount: number,
): <T>(task: () => Promise<T>) => Promise<T> {
  let runningCount = 0;
  const waiting: (() => void)[] = [];
  return async (task) => {
    if (runningCount < maxCount) runningCount++;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await task();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else runningCount--;
    }
  };
}
