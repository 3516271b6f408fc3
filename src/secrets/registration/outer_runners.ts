import { Variable } from "../../environment/variables.ts";
import type { Masker } from "../masker.ts";
import { registerSecrets, registerSecretsNow } from "./register_secrets.ts";
import { type LocalRunner, localRunners } from "./socket.ts";

/** The part of a runner that registers secrets. */
interface RegisteringRunner {
  readonly host: { readonly env: Readonly<Record<string, string>> };
  readonly masker: Masker;
}

/** Values that each runner has registered with its outer runners. */
const registered = new WeakMap<RegisteringRunner, Set<string>>();

/**
 * Masks a value in all output of this runner and its outer runners from now on.
 * Output that a pipeline prints itself passes only the outer runners.
 *
 * @returns Whether this runner masks it; it does not mask short values.
 * @throws {RunnerError} `registration-failed` if the outer runner does not mask
 * it.
 */
export function registerWithOuterRunners(
  runner: RegisteringRunner,
  value: string,
): boolean {
  const isMasked = runner.masker.add(value);
  const fresh = selectNewValues(runner, [value]);
  const socket = maskLocally(runner, fresh);
  if (socket !== undefined) registerSecretsNow(socket, fresh);
  rememberRegistered(runner, fresh);
  return isMasked;
}

/**
 * Forwards values, which programs of the job registered, to the outer runners.
 *
 * @param values Values that this runner masks already.
 * @throws {RunnerError} `registration-failed` if the outer runner does not mask
 * them.
 */
export async function forwardSecrets(
  runner: RegisteringRunner,
  values: readonly string[],
): Promise<void> {
  const fresh = selectNewValues(runner, values);
  const socket = maskLocally(runner, fresh);
  if (socket !== undefined) await registerSecrets(socket, fresh);
  rememberRegistered(runner, fresh);
}

/**
 * Masks values in the outer runners of this process, and returns the socket of
 * the next one, which is in another process.
 */
function maskLocally(
  { host: { env } }: RegisteringRunner,
  values: readonly string[],
): string | undefined {
  if (values.length === 0) return undefined;
  const seen = new Set<LocalRunner>();
  let socket = env[Variable.secretsSocket] || undefined;
  while (socket !== undefined) {
    const runner = localRunners.get(socket);
    if (runner === undefined) return socket;
    // Two runners can each be the outer runner of the other.
    if (seen.has(runner)) return undefined;
    seen.add(runner);
    for (const value of values) runner.mask(value);
    socket = runner.outerSocket;
  }
  return undefined;
}

function selectNewValues(
  runner: RegisteringRunner,
  values: readonly string[],
): string[] {
  const known = registered.get(runner);
  return values.filter((value) => value !== "" && !known?.has(value));
}

function rememberRegistered(
  runner: RegisteringRunner,
  values: readonly string[],
): void {
  let known = registered.get(runner);
  if (known === undefined) registered.set(runner, known = new Set());
  for (const value of values) known.add(value);
}
