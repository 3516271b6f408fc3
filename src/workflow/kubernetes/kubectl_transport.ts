import {
  type ChildEnvironment,
  childEnvironment,
} from "../../environment/child_environment.ts";
import { osReason, RunnerError } from "../../errors.ts";
import { lstatIfThere } from "../../fs/files.ts";
import { privateDirectory } from "../../fs/temporary_directory.ts";
import type { Host } from "../../host.ts";
import { Cancellation, onAbort } from "../../process/cancellation.ts";
import { capture } from "../../process/capture.ts";
import { type RunningProcess, spawn } from "../../process/spawn.ts";
import { settlesWithin } from "../../process/time_limit.ts";
import { oneLine } from "../../terminal/text.ts";
import {
  apiRequests,
  ClusterError,
  type ClusterTransport,
  TOKEN_DIRECTORY,
} from "./cluster_transport.ts";

/** Time limit for the start of the proxy, in milliseconds. */
const START_MS = 30_000;

/** Maximum length of the output that is kept for messages, in characters. */
const MAX_MESSAGE_LENGTH = 16 * 1024;

/** Errors of the server that a retry cannot fix. */
const FINAL =
  /Error from server \((?:BadRequest|Unauthorized|Forbidden|NotFound)\)/;

/** Line that the proxy prints when it listens. */
const READY_LINE = /^Starting to serve on /m;

/**
 * Starts kubectl, and a second process that ends kubectl when standard input is
 * closed, which also happens if the runner is killed.
 */
const KUBECTL_SCRIPT =
  `exec 3<&0 </dev/null; { cat <&3; kill "$$"; } >/dev/null 2>&1 & exec kubectl "$@" 3<&-`;

/** Options for {@linkcode openTransport} and {@linkcode kubectlTransport}. */
export interface TransportOptions {
  /** Process around the runner. */
  readonly host: Host;
  /**
   * Context of the configuration of kubectl.
   *
   * @default {the current context}
   */
  readonly context?: string;
  /**
   * Namespace.
   *
   * @default {that of the context or of the Pod, else `default`}
   */
  readonly namespace?: string;
}

/**
 * Connects to a cluster: through `kubectl`, or over HTTPS in a Pod that has a token
 * and no kubectl.
 *
 * @throws {RunnerError} `cluster-failed` if there is neither.
 */
export async function openTransport(
  options: TransportOptions,
): Promise<ClusterTransport> {
  try {
    return await kubectlTransport(options);
  } catch (error) {
    const isMissing = error instanceof RunnerError &&
      error.code === "command-not-found";
    if (!isMissing) throw error;
  }
  const { host: { env }, context } = options;
  const token = await lstatIfThere(`${TOKEN_DIRECTORY}/token`);
  if (token === undefined || context !== undefined) {
    throw new RunnerError(
      "Cannot reach a cluster: kubectl is not installed" +
        (context === undefined
          ? ", and this is not a pod with a service account token"
          : ", and --context needs it"),
      { code: "cluster-failed" },
    );
  }
  const { httpsTransport } = await import("./https_transport.ts");
  return await httpsTransport({
    env,
    directory: TOKEN_DIRECTORY,
    namespace: options.namespace,
  });
}

/**
 * Connects to a cluster through `kubectl`, which supports all methods of
 * authentication.
 *
 * A single `kubectl proxy` forwards all requests from a socket that only this user
 * can open. It refuses to run programs in Pods; `kubectl exec` does that.
 *
 * @throws {RunnerError} `command-not-found` if there is no kubectl;
 * `cluster-failed` if its configuration cannot be used.
 */
export async function kubectlTransport(
  { host, context, namespace }: TransportOptions,
): Promise<ClusterTransport> {
  const program: Kubectl = {
    cwd: host.cwd,
    env: childEnvironment(host.env, { kind: "tool" }),
    flags: context === undefined ? [] : [`--context=${context}`],
  };
  const space = namespace ?? await readNamespace(program);
  const proxy = openProxy(program, host);
  try {
    await proxy.start();
  } catch (error) {
    await proxy[Symbol.asyncDispose]();
    throw error;
  }
  const { client } = proxy;
  return {
    ...apiRequests({
      origin: "http://localhost",
      client,
      // Restarts the proxy if it was killed.
      prepare: () => proxy.start().then(() => ({})),
    }),
    namespace: space,
    exec: ({ pod, container, command }, input, signal) =>
      runKubectl(program, [
        ...["exec", `--namespace=${space}`, pod, `--container=${container}`],
        ...input === undefined ? [] : ["--stdin"],
        ...["--", ...command],
      ], { input, signal }),
    [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose](),
  };
}

/** Command line and environment of kubectl. */
interface Kubectl {
  readonly cwd: string;
  readonly env: ChildEnvironment;
  readonly flags: readonly string[];
}

/** Without a configuration, kubectl uses the token of the Pod. */
async function readNamespace(
  { cwd, env, flags }: Kubectl,
): Promise<string> {
  const { exitCode, stdout } = await capture([
    ...["kubectl", ...flags, "config", "view", "--minify"],
    "--output=jsonpath={..namespace}",
  ], { cwd, env, cancellation: new Cancellation() });
  const text = exitCode === 0
    ? stdout
    : await Deno.readTextFile(`${TOKEN_DIRECTORY}/namespace`).catch(() => "");
  return text.trim() || "default";
}

/** A `kubectl proxy`. */
interface Proxy extends AsyncDisposable {
  readonly client: Deno.HttpClient;
  /**
   * Starts it, unless it is running.
   *
   * @throws {ClusterError} If it cannot start.
   */
  start(): Promise<void>;
}

function openProxy({ cwd, env, flags }: Kubectl, host: Host): Proxy {
  const directory = createSocketDirectory(host);
  const path = `${directory.path}/kubectl`;
  const client = Deno.createHttpClient({
    proxy: { transport: "unix", path },
    http2: false,
  });
  let running:
    | { readonly child: RunningProcess; ready: Promise<void> }
    | undefined;
  let ended: Promise<unknown> = Promise.resolve();

  function startProxy() {
    const child = spawn([
      ...["sh", "-c", KUBECTL_SCRIPT, "sh", ...flags, "proxy"],
      ...[`--unix-socket=${path}`, "--append-server-path"],
    ], { cwd, env, stderr: "separate", stdin: "piped" });
    const output = readOutput(child);
    ended = Promise.all([
      ended,
      child.status.then(async () => {
        running = undefined;
        // Ends the second process.
        await Promise.allSettled([child.end(), child.stdin!.abort()]);
        await output.end;
      }),
    ]);
    return { child, ready: whenReady(child, output) };
  }

  return {
    client,
    start: () => (running ??= startProxy()).ready,
    async [Symbol.asyncDispose]() {
      running?.child.signal("SIGKILL");
      await ended;
      client.close();
      directory[Symbol.dispose]();
    },
  };
}

function createSocketDirectory({ env: { TMPDIR = "" }, cwd }: Host) {
  const parents = [...TMPDIR === "" ? [] : [TMPDIR], "/tmp", cwd];
  try {
    return privateDirectory(parents);
  } catch (cause) {
    const reasons = (cause as AggregateError).errors.map(osReason);
    throw new ClusterError(
      `Cannot create a socket for kubectl in "${parents.join('" or "')}": ${
        reasons.join(", ")
      }`,
      { status: undefined, cause },
    );
  }
}

/** Output of the proxy. */
interface ProxyOutput {
  /** Resolves when the proxy listens. */
  readonly listens: Promise<void>;
  /** Everything on standard error. */
  readonly message: Promise<string>;
  /** Resolves when both streams have ended. */
  readonly end: Promise<unknown>;
}

function readOutput(child: RunningProcess): ProxyOutput {
  const listens = Promise.withResolvers<void>();
  const message = readMessage(child.stderr!);
  const stdout = readMessage(child.stdout, (text) => {
    if (READY_LINE.test(text)) listens.resolve();
  });
  return {
    listens: listens.promise,
    message,
    end: Promise.allSettled([message, stdout]),
  };
}

/**
 * Waits until the proxy listens.
 *
 * @throws {ClusterError} If it exits before it listens.
 */
async function whenReady(
  child: RunningProcess,
  { listens, message }: ProxyOutput,
): Promise<void> {
  const ended = child.status.then(async ({ exitCode }) => {
    throw createError("proxy", await message, exitCode);
  });
  const first = Promise.race([listens, ended]);
  ended.catch(() => {});
  if (!await settlesWithin(first, START_MS)) child.signal("SIGKILL");
  await first;
}

/** Runs kubectl, and yields its standard output. */
async function* runKubectl(
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
  const message = readMessage(child.stderr!);
  const fed = input === undefined ? undefined : feed(child, input);
  try {
    yield* child.stdout;
    const { exitCode } = await child.status;
    signal.throwIfAborted();
    await fed;
    if (exitCode !== 0) throw createError(args[0], await message, exitCode);
  } finally {
    child.signal("SIGKILL");
    await Promise.allSettled([child.status, message, fed]);
  }
}

/**
 * Writes the input of a program, which need not read all of it. If the input itself
 * fails, the program is killed.
 */
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

async function readMessage(
  stream: AsyncIterable<Uint8Array>,
  onText: (text: string) => void = () => {},
): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const bytes of stream) {
    if (text.length > MAX_MESSAGE_LENGTH) continue;
    text += decoder.decode(bytes, { stream: true });
    onText(text);
  }
  return text.slice(0, MAX_MESSAGE_LENGTH);
}

/** Creates an error from the messages of kubectl. */
function createError(
  verb: string,
  message: string,
  exitCode: number,
): ClusterError {
  // Log lines of kubectl start with a letter and the date. If a program in a pod
  // failed, the last line says so, after the message of the program.
  const all = message.trim().split("\n")
    .filter((line) => !/^[EWI]\d{4} /.test(line));
  const programLines = all.filter((line) =>
    !/^command terminated with /.test(line)
  );
  const lines = programLines.length > 0 ? programLines : all;
  return new ClusterError(
    `Cannot run "kubectl ${verb}": ${
      oneLine(lines.at(-1) || `it ended with exit code ${exitCode}`)
    }`,
    { status: FINAL.test(message) ? 400 : undefined },
  );
}
