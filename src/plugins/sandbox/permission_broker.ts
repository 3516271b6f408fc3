import { listenPrivately } from "../../secrets/registration/socket.ts";
import type { AccessPolicy, AccessRequest } from "../rights/access_policy.ts";
import { readLines } from "./messages.ts";

/** Maximum length of a question, in characters. */
const MAX_QUESTION_LENGTH = 64 * 1024;

/** Answers the questions of one Deno about what its program may do. */
export interface PermissionBroker extends Disposable {
  /** Variables that make Deno ask here, and go by nothing else. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Opens a socket at which Deno asks before each access.
 *
 * Deno's own options are compared with paths as they are written. Here, the
 * decision is made at the moment of the access, when it is known where a path
 * leads. Deno exits when it gets no answer.
 *
 * @param policy Creates the decisions.
 * @param parents Directories in which the socket can be.
 * @returns The broker, which serves one process.
 * @throws {RunnerError} If there can be no socket.
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
  // When it ends, so does the process, or it has ended already.
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
  await readLines(connection.readable, {
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
    // It is closed already.
  }
}
