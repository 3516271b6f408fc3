import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RunnerError } from "../../src/errors.ts";
import { prepareSource } from "../../src/source/prepare.ts";
import { computeChecksum, createTar } from "../helpers/archives.ts";
import { sourceContext } from "../helpers/source_context.ts";
import { exists, temporaryDirectory } from "../helpers/temporary_directory.ts";

const ARCHIVE = createTar([{ name: "file", content: "fetched" }]);

type Answer = (request: Request, count: number) => Response;

/** Prepares an archive from a server with the given responses. */
async function prepareFrom(
  answer: Answer,
  options: {
    userInfo?: string;
    ref?: string;
    maxBytes?: number;
    timeoutMs?: number;
  } = {},
) {
  const { userInfo = "", maxBytes = 1_000_000, timeoutMs = 60_000 } = options;
  await using directory = await temporaryDirectory();
  const context = sourceContext({ cwd: directory.path });
  const target = context.workspace.pathOf("/job/src");
  let count = 0;
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) => answer(request, ++count),
  );
  const url = `http://${userInfo}127.0.0.1:${server.addr.port}/a.tar`;
  const ref = options.ref ?? await computeChecksum(ARCHIVE);
  const archive = {
    stripTop: false,
    maxEntries: 10,
    maxBytes,
    maxRatio: 100,
    timeoutMs,
  };
  const error = await prepareSource(
    { type: "tarball", url, ref, target, replace: false, archive },
    context,
  ).then(() => undefined, (error) => error);
  const isThere = await exists(`${target}/file`);
  assertEquals(isThere, error === undefined);
  assertEquals(await exists(target), isThere);
  return { error, count, log: context.log.lines.join("\n") };
}

/** A response body whose connection breaks in the middle. */
function cutOff(): Response {
  return new Response(
    new ReadableStream({
      start(controller) {
        controller.enqueue(ARCHIVE.subarray(0, 700));
        controller.error(new Error("cut"));
      },
    }),
    { headers: { "content-length": String(ARCHIVE.length) } },
  );
}

describe("download()", () => {
  it("fetches an archive", async () => {
    const { error, log } = await prepareFrom(() => new Response(ARCHIVE));
    assertEquals(error, undefined);
    assert(log.includes("info source: Fetching"), log);
  });

  it("retries failures that may be temporary", async () => {
    const failures: Answer[] = [
      () => new Response("", { status: 503 }),
      () => new Response("", { status: 429 }),
      cutOff,
    ];
    const { error, count } = await prepareFrom((request, count) =>
      failures[count - 1]?.(request, count) ?? new Response(ARCHIVE)
    );
    assertEquals([error, count], [undefined, 4]);
  });

  it("waits as long as the server requests, in seconds or until a date", async () => {
    const asked: Answer[] = [
      () => new Response("", { status: 429, headers: { "retry-after": "1" } }),
      () =>
        new Response("", {
          status: 503,
          headers: {
            "date": "Sun, 06 Nov 1994 08:49:36 GMT",
            "retry-after": "Sun, 06 Nov 1994 08:49:37 GMT",
          },
        }),
    ];
    const { error, log } = await prepareFrom((request, count) =>
      asked[count - 1]?.(request, count) ?? new Response(ARCHIVE)
    );
    assertEquals(error, undefined);
    const pauses = [...log.matchAll(/Fetching again .*"ms":(\d+)/g)]
      .map(([, ms]) => Number(ms));
    assertEquals(pauses.length, 2);
    for (const ms of pauses) assert(ms >= 1_000 && ms <= 1_125, log);
  });

  it("fetches the stored bytes, whatever encoding the server reports", async () => {
    const zipped = await new Response(
      new Response(ARCHIVE).body!.pipeThrough(new CompressionStream("gzip")),
    ).bytes();
    for (const encoding of ["gzip", "x-gzip", "br", "deflate"]) {
      const accepted: (string | null)[] = [];
      const { error } = await prepareFrom((request) => {
        accepted.push(request.headers.get("accept-encoding"));
        return new Response(zipped, {
          headers: { "content-encoding": encoding },
        });
      }, { ref: await computeChecksum(zipped) });
      assertEquals([error, accepted], [undefined, ["identity"]], encoding);
    }
  });

  it("sends every password unchanged, including a bare %", async () => {
    const passwords: [inUrl: string, meant: string][] = [
      ["100%25", "100%"],
      ["100%", "100%"],
      ["%zz%4", "%zz%4"],
      ["p%40ss%2Fw%3A", "p@ss/w:"],
      ["%fc", "\xfc"],
    ];
    for (const [inUrl, meant] of passwords) {
      let sent: string | null = null;
      const { error } = await prepareFrom((request) => {
        sent = request.headers.get("authorization");
        return new Response(ARCHIVE);
      }, { userInfo: `:${inUrl}@` });
      assertEquals([error, sent], [undefined, `Basic ${btoa(`:${meant}`)}`]);
    }
  });

  it("rejects a user name that the server would cut at a colon", async () => {
    let count = 0;
    const { error } = await prepareFrom(() => {
      count++;
      return new Response(ARCHIVE);
    }, { userInfo: "us%3Aer:password@" });
    assert(error instanceof RunnerError);
    assert(
      error.message.endsWith("the user name contains a colon"),
      error.message,
    );
    assertEquals(count, 0);
  });

  it("gives up on a server that sends slowly, and stops its attempts in time", async () => {
    const dribbles = () => {
      let timer: ReturnType<typeof setInterval> | undefined;
      return new Response(
        new ReadableStream({
          start(controller) {
            timer = setInterval(
              () => controller.enqueue(ARCHIVE.subarray(0, 1)),
              20,
            );
          },
          cancel: () => clearInterval(timer),
        }),
      );
    };
    const slow = await prepareFrom(dribbles, { timeoutMs: 300 });
    assert(slow.error instanceof RunnerError);
    assert(
      slow.error.message.endsWith("it took longer than 300 ms"),
      slow.error.message,
    );
    assert(slow.count <= 1, `${slow.count} requests`);
    const busy = await prepareFrom(
      () => new Response("", { status: 503, headers: { "retry-after": "30" } }),
      { timeoutMs: 300 },
    );
    assert(
      busy.error.message.endsWith("it took longer than 300 ms"),
      busy.error.message,
    );
    assert(busy.count <= 1, `${busy.count} requests`);
  });

  it("gives up on a server that keeps failing", async () => {
    const { error, count } = await prepareFrom(() =>
      new Response("", { status: 500 })
    );
    assert(error instanceof RunnerError);
    assertEquals(count, 4);
    assert(
      error.message.endsWith(
        "the server responded with 500 Internal Server Error",
      ),
    );
  });

  it("does not retry a missing, too large or wrong file", async () => {
    const missing = await prepareFrom(() => new Response("", { status: 404 }));
    assert(missing.error.message.endsWith("responded with 404 Not Found"));
    const large = await prepareFrom(() => new Response(ARCHIVE), {
      maxBytes: 1_000,
    });
    assert(large.error.message.endsWith("it is larger than 1000 bytes"));
    const wrong = await prepareFrom(() => new Response("evil"));
    assert(wrong.error.message.includes("its checksum is sha256:"));
    assertEquals([missing.count, large.count, wrong.count], [1, 1, 1]);
  });

  it("shows no user info and sends it only to its own host", async () => {
    const seen: (string | null)[] = [];
    await using other = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      (request) => {
        seen.push(request.headers.get("authorization"));
        return new Response(ARCHIVE);
      },
    );
    const { error, log } = await prepareFrom((request, count) => {
      seen.push(request.headers.get("authorization"));
      return count === 1
        ? Response.redirect(new URL("/b.tar", request.url))
        : Response.redirect(`http://127.0.0.1:${other.addr.port}/`);
    }, { userInfo: "me:s%33cret@" });
    assertEquals(error, undefined);
    const own = `Basic ${btoa("me:s3cret")}`;
    assertEquals(seen, [own, own, null]);
    assert(!/s3cret|s%33cret/.test(log), log);
    const failed = await prepareFrom(() => new Response("", { status: 401 }), {
      userInfo: "me:s3cret@",
    });
    assert(!failed.error.message.includes("s3cret"), failed.error.message);
  });

  it("follows a limited number of redirects, and none to another kind of URL", async () => {
    for (const place of ["file:///etc/passwd", "data:,x"]) {
      const { error } = await prepareFrom(() =>
        new Response("", { status: 302, headers: { location: place } })
      );
      assert(error.message.endsWith("redirects to another kind of URL"));
    }
    const { error, count } = await prepareFrom((request) =>
      Response.redirect(request.url)
    );
    assert(error.message.endsWith("more than 10 redirects"));
    assertEquals(count, 11);
  });

  it("reports network errors, and stops when the job is cancelled", async () => {
    await using directory = await temporaryDirectory();
    const context = sourceContext({
      cwd: directory.path,
      onLog: (line) => {
        if (line.includes("Fetching again")) {
          context.cancellation.cancel("SIGINT");
        }
      },
    });
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    listener.close();
    await assertRejects(
      () =>
        prepareSource({
          type: "tarball",
          url: `http://127.0.0.1:${port}/`,
          ref: `sha256:${"0".repeat(64)}`,
          target: context.workspace.pathOf("/job/src"),
          replace: false,
          archive: {
            stripTop: false,
            maxEntries: 1,
            maxBytes: 1,
            maxRatio: 1,
            timeoutMs: 60_000,
          },
        }, context),
      DOMException,
    );
    assert(/refused/.test(context.log.lines.join()), context.log.lines.join());
  });
});
