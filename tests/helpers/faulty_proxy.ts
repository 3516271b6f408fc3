import { request as sendRequest } from "node:http";

/** Responds to a request; `forward` passes it to the real server. */
export type ProxyRule = (
  request: Request,
  forward: (changes?: RequestChanges) => Promise<Response>,
) => Response | Promise<Response>;

/** What the server gets instead of what the client sent. */
export interface RequestChanges {
  headers?: Headers;
}

/** A proxy between a client and a real server, whose rule may misbehave. */
export interface FaultyProxy extends AsyncDisposable {
  readonly port: number;
  /** Method and path, with the query, of each request so far. */
  readonly requests: string[];
}

/** Starts a proxy. The header `Host` is forwarded, since it may be signed. */
export function startFaultyProxy(
  targetPort: number,
  rule: ProxyRule,
): FaultyProxy {
  const requests: string[] = [];
  const server = Deno.serve(
    {
      port: 0,
      hostname: "127.0.0.1",
      onListen: () => {},
      onError: () => new Response("", { status: 502 }),
    },
    async (request) => {
      const { pathname, search } = new URL(request.url);
      requests.push(`${request.method} ${pathname}${search}`);
      // The client may send it again on another connection.
      const body = await request.bytes();
      return await rule(
        request,
        ({ headers = request.headers } = {}) =>
          forward(targetPort, request, headers, body),
      );
    },
  );
  return {
    port: server.addr.port,
    requests,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

async function forward(
  port: number,
  { method, url }: Request,
  headers: Headers,
  body: Uint8Array<ArrayBuffer>,
): Promise<Response> {
  const { pathname, search } = new URL(url);
  const { promise, resolve, reject } = Promise.withResolvers<Response>();
  const request = sendRequest({
    hostname: "127.0.0.1",
    port,
    method,
    path: pathname + search,
    headers: {
      ...Object.fromEntries(headers),
      "content-length": String(body.length),
    },
    agent: false,
  }, async (response) => {
    const parts: Uint8Array[] = [];
    const status = response.statusCode!;
    const isEmpty = method === "HEAD" || status === 204 || status === 304;
    // Some servers send a body after a response to HEAD, which is an error.
    if (method !== "HEAD") {
      for await (const part of response) parts.push(part);
    }
    const responseHeaders = new Headers();
    for (const [name, value] of Object.entries(response.headers)) {
      if (name !== "transfer-encoding") {
        responseHeaders.set(name, String(value));
      }
    }
    resolve(
      new Response(isEmpty ? null : new Blob(parts as BlobPart[]), {
        status,
        headers: responseHeaders,
      }),
    );
  });
  request.on("error", reject);
  request.end(body);
  return await promise;
}
