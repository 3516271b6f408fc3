/** Point of an exchange at which a connection is cut. */
export type Cut =
  /** Before the request is read. */
  | "immediately"
  /** After the request has reached the server; the response is lost. */
  | "before-response"
  /** In the middle of the response. */
  | "in-response";

/** A proxy that drops connections to a server. */
export interface DroppingProxy extends AsyncDisposable {
  /** Address of the proxy. */
  readonly url: string;
}

/**
 * Starts a proxy that cuts its first connections at the given points, and
 * forwards all others.
 */
export function startDroppingProxy(
  targetPort: number,
  cuts: readonly Cut[],
): DroppingProxy {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const left = [...cuts];
  const running = new Set<Promise<void>>();
  const open = new Set<Deno.Conn>();

  async function connect(client: Deno.Conn): Promise<void> {
    const cut = left.shift();
    if (cut === "immediately") return client.close();
    const server = await Deno.connect({
      hostname: "127.0.0.1",
      port: targetPort,
    });
    open.add(client).add(server);
    const sent = copy(client, server, undefined);
    await copy(server, client, cut);
    close(client);
    close(server);
    await sent;
  }

  function close(connection: Deno.Conn): void {
    if (!open.delete(connection)) return;
    connection.close();
  }

  const accepting = (async () => {
    for await (const client of listener) {
      // A connection that is cut in the middle is expected to fail.
      const task = connect(client).catch(() => {});
      running.add(task);
    }
  })();
  return {
    url: `http://127.0.0.1:${listener.addr.port}`,
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const connection of [...open]) close(connection);
      await accepting;
      await Promise.all(running);
    },
  };
}

async function copy(
  from: Deno.Conn,
  to: Deno.Conn,
  cut: Cut | undefined,
): Promise<void> {
  const buffer = new Uint8Array(64 * 1024);
  try {
    while (true) {
      const count = await from.read(buffer);
      if (count === null || cut === "before-response") return;
      const end = cut === "in-response" ? Math.ceil(count / 2) : count;
      for (let at = 0; at < end;) {
        at += await to.write(buffer.subarray(at, end));
      }
      if (cut === "in-response") return;
    }
  } catch {
    // The other side has closed the connection.
  }
}
