import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { HttpStore } from "../../src/cache/http_store.ts";
import { runShell } from "../helpers/archives.ts";
import { passArtifacts } from "../helpers/passed_artifacts.ts";
import { runMain } from "../helpers/run_main.ts";
import {
  listFiles,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const TOKEN = "t0ken-of-the-cache";

type Handler = (
  request: Request,
  next: () => Promise<Response>,
) => Response | Promise<Response>;

/** A server that stores objects, in front of which a handler may misbehave. */
function server(handler: Handler = (_, next) => next()) {
  const objects = new Map<string, Uint8Array<ArrayBuffer>>();
  const answer = async (request: Request): Promise<Response> => {
    const { pathname } = new URL(request.url);
    if (request.headers.get("authorization") !== `Bearer ${TOKEN}`) {
      return new Response("", { status: 401 });
    }
    if (request.method === "PUT") {
      objects.set(pathname, await request.bytes());
      return new Response(null, { status: 204 });
    }
    const bytes = objects.get(pathname);
    return bytes === undefined
      ? new Response("", { status: 404 })
      : new Response(bytes, {
        headers: { "content-length": String(bytes.length) },
      });
  };
  const http = Deno.serve(
    {
      port: 0,
      hostname: "127.0.0.1",
      onListen: () => {},
      onError: () => new Response("", { status: 500 }),
    },
    (request) => handler(request, () => answer(request)),
  );
  const url = `http://127.0.0.1:${http.addr.port}/cache/`;
  return {
    objects,
    url,
    [Symbol.asyncDispose]: () => http.shutdown(),
  };
}

/** A job whose cache is on the server. */
async function jobWith(url: string) {
  const directory = await temporaryDirectory();
  const cwd = directory.path;
  return {
    cwd,
    run: (args: string[], env: Record<string, string> = {}) =>
      runMain(["cache", ...args], {
        cwd,
        env: {
          REACTORCIDE_CACHE_STORE: url,
          REACTORCIDE_CACHE_TOKEN: TOKEN,
          REACTORCIDE_ALLOW_INSECURE_TRANSPORT: "true",
          ...env,
        },
      }),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

const SAVE = ["save", "deps", "--key", "k1", "tree"];
const RESTORE = ["restore", "deps", "--key", "k1"];

/** A store that gives up early, and its signal. */
function hasty(url: string) {
  const { signal } = new AbortController();
  const store = new HttpStore(new URL(url), TOKEN, {
    silenceMs: 300,
    timeoutMs: 2_000,
    retry: { attempts: 3, delayMs: 1 },
  });
  return { store, signal, options: { maxBytes: 1_000, signal } };
}

async function textOf(
  content: AsyncIterable<Uint8Array> | undefined,
): Promise<string> {
  let text = "";
  for await (const bytes of content ?? []) {
    text += new TextDecoder().decode(bytes);
  }
  return text;
}

describe("a cache on an HTTP server", () => {
  it("saves and restores, and finds fallbacks", async () => {
    await using http = server();
    await using job = await jobWith(http.url);
    await runShell(job.cwd, "mkdir tree; head -c 700000 /dev/urandom > tree/a");
    const before = await runShell(job.cwd, "sha256sum tree/a");
    assertEquals((await job.run(RESTORE)).stdout, "miss\n");
    assertEquals((await job.run(SAVE)).stdout, "saved k1\n");
    assertEquals((await job.run(SAVE)).stdout, "exists k1\n");
    await Deno.remove(`${job.cwd}/tree`, { recursive: true });
    const { stdout } = await job.run([
      ...["restore", "deps", "--key", "k2", "--fallback", "k"],
    ]);
    assertEquals(stdout, "fallback k1\n");
    assertEquals(await runShell(job.cwd, "sha256sum tree/a"), before);
    const { code, stderr } = await job.run(["stats"]);
    assertEquals(code, 1);
    assertMatch(stderr, /cannot be listed/);
  });

  it("passes artifacts on", async () => {
    await using http = server();
    await passArtifacts({
      REACTORCIDE_CACHE_STORE: http.url,
      REACTORCIDE_CACHE_TOKEN: TOKEN,
      REACTORCIDE_ALLOW_INSECURE_TRANSPORT: "true",
    });
  });

  it("treats a damaged pack as a miss, and saves the key again", async () => {
    await using http = server();
    await using job = await jobWith(http.url);
    await makeFiles(job.cwd, { "tree/a": "1" });
    await job.run(SAVE);
    const [name] = [...http.objects.keys()].filter((name) =>
      name.includes("/packs/")
    );
    http.objects.get(name)![30] ^= 1;
    const { stdout, stderr } = await job.run(RESTORE);
    assertEquals(stdout, "miss\n");
    assertMatch(stderr, /does not match its checksum/);
    assertEquals((await job.run(SAVE)).stdout, "saved k1\n");
    assertEquals((await job.run(RESTORE)).stdout, "exact k1\n");
  });

  it("never sends the token to another server or over plain HTTP", async () => {
    const seen: (string | null)[] = [];
    await using other = server((request, next) => {
      seen.push(request.headers.get("authorization"));
      return next();
    });
    await using http = server(() =>
      new Response(null, { status: 307, headers: { location: other.url } })
    );
    await using job = await jobWith(http.url);
    await makeFiles(job.cwd, { "tree/a": "1" });
    for (const args of [SAVE, RESTORE]) {
      const { code, stderr } = await job.run(args);
      assertEquals(code, 0);
      assertMatch(stderr, /status 307/);
    }
    assertEquals(seen, []);
    const plain = await job.run(RESTORE, {
      REACTORCIDE_CACHE_STORE: other.url,
      REACTORCIDE_ALLOW_INSECURE_TRANSPORT: "",
    });
    assertEquals([plain.code, seen], [1, []]);
    assertMatch(plain.stderr, /plain HTTP/);
    const userInfo = await job.run(RESTORE, {
      REACTORCIDE_CACHE_STORE: "https://me:passw0rd-1@127.0.0.1/",
    });
    assertEquals(userInfo.code, 1);
    assert(!userInfo.stderr.includes("passw0rd-1"));
  });

  it("misses if the server refuses or is not there, and warns once", async () => {
    for (const status of [401, 403, 500]) {
      await using http = server(() => new Response("", { status }));
      await using job = await jobWith(http.url);
      await makeFiles(job.cwd, { "tree/a": "1" });
      const before = await listFiles(job.cwd);
      const { code, stdout, stderr } = await job.run(RESTORE);
      assertEquals([code, stdout], [0, "miss\n"]);
      assertEquals(stderr.trim().split("\n").length, 1, stderr);
      assertEquals(await listFiles(job.cwd), before);
    }
  });

  it("retries transient failures, also in the middle of a body", async () => {
    let count = 0;
    await using http = server(async (request, next) => {
      if (request.method !== "GET") return next();
      if (++count === 1) return new Response("", { status: 503 });
      if (count > 2) return next();
      const bytes = await (await next()).bytes();
      return new Response(
        ReadableStream.from((async function* () {
          yield bytes.slice(0, 4);
          await new Promise((resolve) => setTimeout(resolve, 20));
          throw new Error("cut off");
        })()),
      );
    });
    http.objects.set("/cache/x", new TextEncoder().encode("0123456789"));
    const { store, options } = hasty(http.url);
    assertEquals(await textOf(await store.get("x", options)), "0123456789");
    assertEquals(count, 3);
    assertEquals(await store.get("y", options), undefined);
  });

  it("gives up on a server that is slow, endless or too large", async () => {
    const release = Promise.withResolvers<void>();
    const drip = (size: number) => {
      let timer: ReturnType<typeof setInterval>;
      return new Response(
        new ReadableStream({
          start(controller) {
            const send = () => controller.enqueue(new Uint8Array(size));
            timer = setInterval(send, 100);
          },
          cancel: () => clearInterval(timer),
        }),
      );
    };
    const handlers: [reason: string, handler: Handler][] = [
      ["no progress", async () => {
        await release.promise;
        return new Response("");
      }],
      ["no progress", () => drip(1)],
      ["took longer", () => drip(16 * 1024)],
      ["larger than", () => new Response(new Uint8Array(2_000_000))],
    ];
    for (const [reason, handler] of handlers) {
      await using http = server(handler);
      const { store, options } = hasty(http.url);
      await assertRejects(
        async () => {
          const limits = { ...options, maxBytes: 1_000_000 };
          await textOf(await store.get("x", limits));
        },
        Error,
        reason,
      );
      release.resolve();
    }
  });

  it("is not retried for a while after it fails", async () => {
    let count = 0;
    await using http = server(() => {
      count++;
      return new Response("", { status: 503 });
    });
    const { store, options, signal } = hasty(http.url);
    const bytes = new Uint8Array(1);
    for (let round = 0; round < 3; round++) {
      await assertRejects(() => store.get("x", options), Error, "status 503");
      await assertRejects(
        () => store.getSize("x", signal),
        Error,
        "status 503",
      );
      await assertRejects(
        () => store.put("x", bytes, signal),
        Error,
        "status 503",
      );
    }
    assertEquals(count, 3);
    const url = new URL(http.url);
    const eager = new HttpStore(url, TOKEN, {
      pauseMs: 0,
      retry: { attempts: 3, delayMs: 1 },
    });
    for (let round = 1; round < 4; round++) {
      await assertRejects(() => eager.get("x", options), Error, "status 503");
      assertEquals(count, 3 + 3 * round);
    }
  });

  it("counts as a miss, whatever it responds", async () => {
    const text = "HTTP/1.1 200 OK\r\n";
    const answers = [
      `${text}content-length: 100\r\n\r\n{`,
      `${text}transfer-encoding: chunked\r\n\r\nffffffff\r\n{`,
      `HTTP/1.0 200 OK\r\n\r\n{"version":1,"key":"k1"`,
      `${text}content-length: 0\r\n\r\n`,
      `${text}content-length: 19\r\n\r\n<html>log in</html>`,
      `${text}content-encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\x8bzz`,
      `${text}content-length: 99999999999\r\n\r\n`,
      `HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\n\r\n`,
      `HTTP/1.1 304 Not Modified\r\n\r\n`,
      `HTTP/1.1 206 Partial Content\r\ncontent-range: bytes 5-9/10\r\ncontent-length: 5\r\n\r\n"a":1`,
      "HTTP/1.1 999 What\r\n\r\n",
      `${text}x: ${"y".repeat(1_000_000)}\r\n\r\n`,
      "\x00\x01\x02 SSH-2.0\r\n",
      "",
    ];
    await Promise.all(answers.map(async (answer) => {
      using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const serving = (async () => {
        for await (const connection of listener) {
          const request = new Uint8Array(64 * 1024);
          await connection.read(request).catch(() => {});
          const bytes = new TextEncoder().encode(answer);
          await connection.write(bytes).catch(() => {});
          connection.close();
        }
      })();
      const url = `http://127.0.0.1:${listener.addr.port}/cache`;
      await using job = await jobWith(url);
      const { code, stdout, stderr } = await job.run(RESTORE);
      const shown = JSON.stringify(answer.slice(0, 80));
      assertEquals([code, stdout], [0, "miss\n"], shown);
      assertEquals(stderr.trim().split("\n").length, 1, shown + stderr);
      listener.close();
      await serving.catch(() => {});
    }));
  });
});
