import { listenPrivately } from "../../secrets/registration/socket.ts";
import type { AccessPolicy, AccessRequest } from "../rights/access_policy.ts";
import { splitLines } from "./messages.ts";

/** Maximum length of a request, in characters. */
const MAX_QUESTION_LENGTH = 64 * 1024;

/** Answers the permission requests of one Deno process. */
export interface PermissionBroker extends Disposable {
  /** Variables that make Deno ask the broker instead of using its own options. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Opens a socket on which Deno requests permission for each access.
 *
 * Deno compares its own options with paths as they are written. The broker
 * decides at the time of access, after symbolic links are resolved. Deno exits
 * if it gets no answer.
 *
 * @param policy Policy that decides.
 * @param parents Candidate directories for the socket.
 * @returns The broker, which serves one process.
 * @throws {RunnerError} If the socket cannot be created.
 */
export function openPermissionBroker(
  policy: AccessPolicy,
  parents: readonly string[],
): PermissionBroker {
  const socket = listenPrivately(parents);
  let connection: Deno.UnixConn | undefined;
  const serve = async () => {
    connection = await socket.listener.accept();
    await answer(connection, policy);
  };
  // Closing the connection ends the process, unless it has already ended.
  serve().catch(() => {}).finally(() => close(connection));
  return {
    env: { DENO_PERMISSION_BROKER_PATH: socket.path },
    [Symbol.dispose]() {
      close(connection);
      socket[Symbol.dispose]();
    },
  };
}

async function answer(
  connection: Deno.UnixConn,
  policy: AccessPolicy,
): Promise<void> {
  const writer = connection.writable.getWriter();
  let last: Promise<void> = Promise.resolve();
  const reply = async (line: string) => {
    const { id, ...request } = JSON.parse(line) as AccessRequest & {
      id: number;
    };
    const reason = await policy(request);
    const result = reason === undefined ? "allow" : "deny";
    const text = JSON.stringify({ id, result, reason });
    await writer.write(new TextEncoder().encode(`${text}\n`));
  };
  await splitLines(connection.readable, {
    maxLength: MAX_QUESTION_LENGTH,
    onTooLong: () => close(connection),
    onLine: (line) => {
      last = last.then(() => reply(line)).catch(() => close(connection));
    },
  });
  await last;
}

function close(connection: Deno.UnixConn | undefined): void {
  try {
    connection?.close();
  } catch {
    // It is already closed.
  }
}
