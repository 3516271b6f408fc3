import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { bareLog } from "../../src/output/job_log.ts";
import {
  acceptsConnections,
  httpProblem,
  watchLog,
} from "../../src/steps/readiness.ts";
import { Random } from "../helpers/random.ts";

/** Sends the same raw response to each connection, until it is disposed. */
function serve(answer: string | undefined) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open: Deno.Conn[] = [];
  const requests: string[] = [];
  const serving = (async () => {
    for await (const connection of listener) {
      open.push(connection);
      const bytes = new Uint8Array(4_096);
      const count = await connection.read(bytes) ?? 0;
      requests.push(new TextDecoder().decode(bytes.subarray(0, count)));
      if (answer === undefined) continue;
      await connection.write(new TextEncoder().encode(answer));
    }
  })();
  return {
    port: listener.addr.port,
    requests,
    async [Symbol.asyncDispose]() {
      listener.close();
      await serving;
      for (const connection of open) connection.close();
    },
  };
}

/** Checks a response; a problem names the server "SERVER". */
async function problemOf(
  answer: string | undefined,
  status?: number[],
  signal = new AbortController().signal,
): Promise<string | undefined> {
  await using server = serve(answer);
  const url = new URL(`http://127.0.0.1:${server.port}/health?full=1`);
  const problem = await httpProblem(url, { status, signal });
  assertEquals(
    server.requests[0]?.split("\r\n").slice(0, 2),
    ["GET /health?full=1 HTTP/1.1", `Host: 127.0.0.1:${server.port}`],
  );
  return problem?.replace(url.href, "SERVER");
}

describe("httpProblem()", () => {
  it("accepts 200 to 399, or the given status codes", async () => {
    assertEquals(await problemOf("HTTP/1.1 200 OK\r\n\r\n"), undefined);
    assertEquals(await problemOf("HTTP/1.0 302\r\n\r\n"), undefined);
    assertEquals(
      await problemOf("HTTP/1.1 503 No\r\n\r\n"),
      "SERVER responds with status 503",
    );
    assertEquals(await problemOf("HTTP/1.1 401 No\r\n", [200, 401]), undefined);
    assertEquals(
      await problemOf("HTTP/1.1 200 OK\r\n", [204]),
      "SERVER responds with status 200",
    );
  });

  it("is not confused by other servers", async () => {
    const other = "SERVER does not respond with HTTP";
    assertEquals(await problemOf("220 mail ready\r\n"), other);
    assertEquals(await problemOf("x".repeat(100_000)), other);
    assertEquals(
      await problemOf(undefined, [200], AbortSignal.timeout(100)),
      "SERVER does not respond",
    );
  });

  it("names a server that does not run", async () => {
    let port: number;
    {
      await using server = serve("");
      port = server.port;
      assert(await acceptsConnections(port));
    }
    assertEquals(await acceptsConnections(port), false);
    const url = new URL(`http://127.0.0.1:${port}/`);
    const { signal } = new AbortController();
    assertEquals(
      await httpProblem(url, { status: undefined, signal }),
      `${url.href} cannot be reached: connection refused`,
    );
  });
});

const nowhere = { write: () => Promise.resolve() };

/** Writes a text in parts of random sizes, and returns whether it was found. */
async function isFound(
  text: string,
  texts: string[],
  partBytes: () => number,
): Promise<boolean> {
  const { log, isFound } = watchLog(bareLog(nowhere, nowhere), texts);
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) {
    const end = at + partBytes();
    await log.stdout.write(bytes.subarray(at, end));
    at = end;
  }
  return isFound();
}

Deno.test("watchLog() finds texts as a regular expression would, however the output is cut", async () => {
  const random = new Random();
  const word = (letters: string, length: number) =>
    random.text(random.below(length), letters);
  for (let round = 0; round < 2_000; round++) {
    const text = word("aabé\n", 30);
    const pattern = word("aabé*", 5);
    const naive = text.split("\n").some((line) =>
      new RegExp(pattern.replaceAll("*", ".*")).test(line)
    );
    // Nothing is found before something is printed.
    if (text === "") continue;
    assertEquals(
      await isFound(text, [pattern], () => 1 + random.below(6)),
      naive,
      JSON.stringify({ text, pattern, seed: random.seed }),
    );
  }
});

Deno.test("watchLog() looks past colors, and at both streams", async () => {
  const all = () => 1_000;
  assertEquals(
    await isFound("\x1b[32mListening\x1b[0m on 80", ["Listening on *"], all),
    true,
  );
  const { log, isFound: isFoundNow } = watchLog(bareLog(nowhere, nowhere), [
    "no",
    "up",
  ]);
  await log.stderr.write(new TextEncoder().encode("it is u"));
  assertEquals(isFoundNow(), false);
  await log.stderr.write(new TextEncoder().encode("p"));
  assertEquals(isFoundNow(), true);
});

Deno.test("watchLog() takes linear time for a text that a backtracking search would not", async () => {
  const pattern = "a*".repeat(30) + "b";
  const line = "a".repeat(50_000);
  assertEquals(await isFound(line, [pattern], () => 10_000), false);
});
