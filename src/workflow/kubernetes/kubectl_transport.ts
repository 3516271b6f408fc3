import { joinBytes } from "../../bytes.ts";
import {
  type ChildEnvironment,
  childEnvironment,
} from "../../environment/child_environment.ts";
import type { RunnerError } from "../../errors.ts";
import type { Host } from "../../host.ts";
import { parseJson } from "../../json_value.ts";
import { capture } from "../../process/capture.ts";
import { Cancellation, onAbort } from "../../process/cancellation.ts";
import { type RunningProcess, spawn } from "../../process/spawn.ts";
import {
  ClusterError,
  type ClusterTransport,
  STATUSES,
  TOKEN_DIRECTORY,
} from "./cluster_transport.ts";

/** Time limit of one request, as kubectl writes it. */
const REQUEST_TIMEOUT = "--request-timeout=30s";

/** Maximum size of an error message that is kept, in bytes. */
const MAX_MESSAGE_BYTES = 16 * 1024;

/** Messages for which the login or the request is wrong, not the connection. */
const FINAL =
  /^error: (?:context "|no configuration|unknown (?:flag|shorthand)|You must be logged in|stat |error loading config|invalid configuration|exec plugin|getting credentials)|executable .* not found/im;

/** Options for {@linkcode kubectlTransport}. */
export interface KubectlOptions {
  /** Process around the runner. */
  readonly host: Host;
  /**
   * Context of the configuration.
   *
   * @default {the current context}
   */
  readonly context?: string;
  /**
   * Namespace.
   *
   * @default {that of the context, else `default`}
   */
  readonly namespace?: string;
}

/**
 * Reaches a cluster through `kubectl`, with all of its ways to log in.
 *
 * Requests are sent with `--raw`, so that kubectl does nothing but log in.
 *
 * @throws {RunnerError} `command-not-found` if there is no kubectl;
 * `cluster-failed` if its configuration cannot be used.
 */
export async function kubectlTransport(
  { host, context, namespace }: KubectlOptions,
): Promise<ClusterTransport> {
  const program: Kubectl = {
    cwd: host.cwd,
    env: childEnvironment(host.env, { kind: "tool" }),
    flags: context === undefined ? [] : [`--context=${context}`],
  };
  const configured = await configuredNamespace(program);
  const space = namespace ?? configured;
  return {
    namespace: space,
    [Symbol.dispose]() {},
    async send({ method, path, body }, signal) {
      const verb = VERBS[method];
      const input = body === undefined
        ? undefined
        : new TextEncoder().encode(JSON.stringify(body));
      const text = await output(program, [
        ...[verb, `--raw=${path}`, REQUEST_TIMEOUT],
        ...input === undefined ? [] : ["--filename=-"],
      ], { input, signal });
      return parseJson(text);
    },
    stream: (path, signal) =>
      outputOf(program, ["get", `--raw=${path}`], { signal }),
    exec: ({ pod, container, command }, input, signal) =>
      outputOf(program, [
        ...["exec", `--namespace=${space}`, pod, `--container=${container}`],
        ...input === undefined ? [] : ["--stdin"],
        ...["--", ...command],
      ], { input, signal }),
  };
}

/** How kubectl is called. */
interface Kubectl {
  readonly cwd: string;
  readonly env: ChildEnvironment;
  readonly flags: readonly string[];
}

const VERBS = {
  GET: "get",
  POST: "create",
  PUT: "replace",
  DELETE: "delete",
} as const;

/** Without a configuration, kubectl uses the token of the Pod. */
async function configuredNamespace(program: Kubectl): Promise<string> {
  try {
    const text = await output(program, [
      ...["config", "view", "--minify"],
      "--output=jsonpath={..namespace}",
    ], { signal: new AbortController().signal });
    return text.trim() || "default";
  } catch (error) {
    if (!(error instanceof ClusterError)) throw error;
    const path = `${TOKEN_DIRECTORY}/namespace`;
    const text = await Deno.readTextFile(path).catch(() => "");
    return text.trim() || "default";
  }
}

/** Runs kubectl to its end, and returns what it prints. */
async function output(
  program: Kubectl,
  args: readonly string[],
  { input, signal }: {
    readonly input?: Uint8Array<ArrayBuffer>;
    readonly signal: AbortSignal;
  },
): Promise<string> {
  const cancellation = new Cancellation();
  using _ = onAbort(signal, () => cancellation.cancel("SIGTERM"));
  const { exitCode, stdout, stderr } = await capture(
    ["kubectl", ...program.flags, ...args],
    { ...program, stdin: input, cancellation },
  );
  if (exitCode === 0) return stdout;
  throw failure(args[0], stderr, exitCode);
}

/** Runs kubectl, and yields what it prints. */
async function* outputOf(
  { cwd, env, flags }: Kubectl,
  args: readonly string[],
  { input, signal }: {
    readonly input?: AsyncIterable<Uint8Array>;
    readonly signal: AbortSignal;
  },
): AsyncGenerator<Uint8Array> {
  signal.throwIfAborted();
  const child = spawn(["kubectl", ...flags, ...args], {
    cwd,
    env,
    stderr: "separate",
    stdin: input === undefined ? "null" : "piped",
  });
  using _ = onAbort(signal, () => child.signal("SIGKILL"));
  const message = readMessage(child);
  const fed = input === undefined ? undefined : feed(child, input);
  try {
    yield* child.stdout;
    const { exitCode } = await child.status;
    signal.throwIfAborted();
    await fed;
    if (exitCode !== 0) throw failure(args[0], await message, exitCode);
  } finally {
    child.signal("SIGKILL");
    await Promise.allSettled([child.status, message, fed]);
  }
}

/** A failure to read the input ends the program; it need not read all of it. */
async function feed(
  child: RunningProcess,
  input: AsyncIterable<Uint8Array>,
): Promise<void> {
  const writer = child.stdin!.getWriter();
  let isReading = true;
  try {
    for await (const bytes of input) {
      isReading = false;
      await writer.write(new Uint8Array(bytes));
      isReading = true;
    }
    isReading = false;
    await writer.close();
  } catch (error) {
    await writer.abort().catch(() => {});
    if (!isReading) return;
    child.signal("SIGKILL");
    throw error;
  }
}

async function readMessage(child: RunningProcess): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const bytes of child.stderr!) {
    if (length < MAX_MESSAGE_BYTES) parts.push(bytes);
    length += bytes.length;
  }
  return new TextDecoder().decode(joinBytes(parts));
}

/**
 * Creates an error of what kubectl reports, such as `Error from server
 * (NotFound): …`.
 */
function failure(
  verb: string,
  message: string,
  exitCode: number,
): RunnerError {
  const text = message.trim();
  const reason = /Error from server \((\w+)\)/.exec(text)?.[1];
  const status = reason === undefined
    ? FINAL.test(text) ? 400 : undefined
    : STATUSES[reason];
  const lines = text.split("\n").filter((line) => !/^[EWI]\d{4} /.test(line));
  return new ClusterError(
    `Cannot run "kubectl ${verb}": ${
      lines.at(-1) || `it ended with exit code ${exitCode}`
    }`,
    { status },
  );
}
