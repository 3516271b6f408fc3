import type { ContainerProcess } from "./container_process.ts";

const PROTOCOL = "v5.channel.k8s.io";

/** Channels of the protocol. */
const [STDIN, STDOUT, STDERR, STATUS, CLOSE] = [0, 1, 2, 3, 255];

/**
 * Runs a program in a container for a client, by the protocol of kubectl from
 * version 1.31 on.
 *
 * @param isBroken Whether the connection breaks before the end of the program
 * is reported.
 */
export function serveExec(
  request: Request,
  container: ContainerProcess,
  isBroken: boolean,
): Response {
  const query = new URL(request.url).searchParams;
  const offered = request.headers.get("sec-websocket-protocol") ?? "";
  if (!offered.split(/,\s*/).includes(PROTOCOL)) {
    return new Response("a WebSocket is required", { status: 403 });
  }
  const { socket, response } = Deno.upgradeWebSocket(request, {
    protocol: PROTOCOL,
    idleTimeout: 0,
  });
  socket.binaryType = "arraybuffer";
  socket.onopen = () => {
    const child = container.exec(query.getAll("command"));
    const writer = child.stdin.getWriter();
    let writing = Promise.resolve();
    const write = (action: () => Promise<void>) => {
      writing = writing.then(action).catch(() => {});
    };
    if (query.get("stdin") !== "true") write(() => writer.close());
    socket.onmessage = ({ data }) => {
      const message = new Uint8Array(data);
      if (message[0] === STDIN) write(() => writer.write(message.slice(1)));
      else if (message[0] === CLOSE) write(() => writer.close());
    };
    socket.onclose = () => {
      write(() => writer.close());
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended.
      }
    };
    const send = async (
      channel: number,
      stream: ReadableStream<Uint8Array>,
    ) => {
      for await (const bytes of stream) sendOn(socket, channel, bytes);
    };
    void Promise.all([send(STDOUT, child.stdout), send(STDERR, child.stderr)])
      .then(async () => {
        const { code } = await child.status;
        if (isBroken) return socket.close(4000);
        const text = JSON.stringify(
          code === 0 ? { status: "Success" } : {
            status: "Failure",
            message: `command terminated with exit code ${code}`,
            reason: "NonZeroExitCode",
            details: { causes: [{ reason: "ExitCode", message: `${code}` }] },
          },
        );
        sendOn(socket, STATUS, new TextEncoder().encode(text));
        if (socket.readyState === WebSocket.OPEN) socket.close(1000);
      });
  };
  return response;
}

function sendOn(socket: WebSocket, channel: number, bytes: Uint8Array): void {
  if (socket.readyState !== WebSocket.OPEN) return;
  socket.send(new Uint8Array([channel, ...bytes]));
}
