import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { AwsV4Signer } from "aws4fetch";
import { describe, it } from "@std/testing/bdd";
import { parseS3Location, S3Client } from "../../src/cache/s3_client.ts";
import { S3Store, type S3StoreOptions } from "../../src/cache/s3_store.ts";
import { pruneStore } from "../../src/cache/prune.ts";
import { forEachLimited } from "../../src/work_queue.ts";
import { runShell } from "../helpers/archives.ts";
import {
  type FaultyProxy,
  type ProxyRule,
  startFaultyProxy,
} from "../helpers/faulty_proxy.ts";
import { runCli, startCli } from "../helpers/cli.ts";
import { passArtifacts } from "../helpers/passed_artifacts.ts";
import { runMain } from "../helpers/run_main.ts";
import {
  isSwiftMissing,
  S3_USER,
  startSwift,
  type SwiftServer,
} from "../helpers/swift_server.ts";
import {
  listFiles,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const { signal } = new AbortController();

const AWS = {
  AWS_ACCESS_KEY_ID: S3_USER.accessKeyId,
  AWS_SECRET_ACCESS_KEY: S3_USER.secretAccessKey,
  REACTORCIDE_ALLOW_INSECURE_TRANSPORT: "true",
};

const SAVE = ["save", "deps", "--key", "k1", "tree"];
const RESTORE = ["restore", "deps", "--key", "k1"];

/** The object that is written when a process is killed, and whether it is. */
const KILLED = [
  ["packs", true],
  ["entries", true],
] as const;

/** The location of a bucket behind a port. */
function locationAt(port: number, place: string) {
  return parseS3Location(
    new URL(`s3://${place}?endpoint=http://127.0.0.1:${port}`),
    { env: {}, allowInsecureTransport: true },
  );
}

async function createBucket(swift: SwiftServer, name: string): Promise<void> {
  const client = new S3Client(locationAt(swift.port, name), S3_USER);
  await client.send({ method: "PUT" }, () => {}, signal);
}

/** A store that gives up early. */
function hasty(port: number, place: string, options: S3StoreOptions = {}) {
  return new S3Store(locationAt(port, place), S3_USER, {
    silenceMs: 20_000,
    retry: { attempts: 3, delayMs: 1 },
    ...options,
  });
}

/** A job whose cache is in a bucket. */
async function jobWith(port: number, place: string) {
  const directory = await temporaryDirectory();
  const cwd = directory.path;
  const envAt = (port: number) => ({
    REACTORCIDE_CACHE_STORE: `s3://${place}?endpoint=http://127.0.0.1:${port}`,
    ...AWS,
  });
  return {
    cwd,
    envAt,
    run: (args: string[], env: Record<string, string> = {}) =>
      runMain(["cache", ...args], { cwd, env: { ...envAt(port), ...env } }),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

async function bytesOf(
  content: AsyncIterable<Uint8Array> | undefined,
): Promise<Uint8Array> {
  const parts = await Array.fromAsync(content ?? [], (part) => part.slice());
  return await new Blob(parts).bytes();
}

async function namesIn(store: S3Store): Promise<string[]> {
  const objects = await Array.fromAsync(store.objects("v1", signal));
  return objects.map(({ name }) => name).sort();
}

Deno.test({
  name: "a cache in a bucket of a real S3 server",
  ignore: isSwiftMissing(),
  async fn(test) {
    await using swift = await startSwift();
    let count = 0;
    const bucket = async () => {
      const name = `bucket-${++count}`;
      await createBucket(swift, name);
      return name;
    };
    const step = (name: string, body: () => Promise<void>) =>
      test.step({ name, fn: body });

    await step("saves and restores, finds fallbacks, and prunes", async () => {
      const place = `${await bucket()}/some/prefix`;
      await using job = await jobWith(swift.port, place);
      await runShell(
        job.cwd,
        "mkdir tree; head -c 700000 /dev/urandom > tree/a",
      );
      const before = await runShell(job.cwd, "sha256sum tree/a");
      assertEquals((await job.run(RESTORE)).stdout, "miss\n");
      assertEquals((await job.run(SAVE)).stdout, "saved k1\n");
      assertEquals((await job.run(SAVE)).stdout, "exists k1\n");
      // More than a page of the list.
      await makeFiles(job.cwd, { "small": "x" });
      for (let at = 0; at < 6; at++) {
        await job.run(["save", "deps", "--key", `other-${at}`, "small"]);
      }
      await Deno.remove(`${job.cwd}/tree`, { recursive: true });
      const { stdout } = await job.run([
        ...["restore", "deps", "--key", "k2", "--fallback", "k"],
      ]);
      assertEquals(stdout, "fallback k1\n");
      assertEquals(await runShell(job.cwd, "sha256sum tree/a"), before);
      const stats = await job.run(["stats"]);
      assertMatch(
        stats.stdout,
        new RegExp(`^s3://${place}: 7 entries, 70\\d{4} of `),
      );
      // The entry that was restored last is kept.
      await new Promise((resolve) => setTimeout(resolve, 1_100));
      assertEquals((await job.run(RESTORE)).stdout, "exact k1\n");
      assertMatch(
        (await job.run(["stats"])).stdout,
        /bytes\nlocal {2}entries {2}deps {2}k1 /,
      );
      const pruned = await job.run(["prune"], {
        REACTORCIDE_CACHE_MAX_BYTES: "700800",
      });
      assertMatch(pruned.stdout, /^removed [56] entries/);
      assertEquals((await job.run(RESTORE)).stdout, "exact k1\n");
      assertMatch((await job.run(["clear"])).stdout, /^removed [12] entries/);
      assertEquals(await namesIn(hasty(swift.port, place)), []);
    });

    await step("lists the 1,000 entries that were used last", async () => {
      const store = hasty(swift.port, `${await bucket()}/p`);
      const folder = "v1/local/entries/deps";
      const put = (name: string) =>
        store.put(`${folder}/${name}`, new Uint8Array([1]), signal);
      const nextSecond = () =>
        new Promise((resolve) => setTimeout(resolve, 1_100));
      await put("oldest");
      await put("old");
      await nextSecond();
      const numbers = Array.from({ length: 1_000 }, (_, at) => at);
      await forEachLimited(numbers, 16, async (at) => {
        await put(`new-${at}`);
      });
      const listed = await store.list(folder, signal);
      assertEquals(listed.length, 1_000);
      assertEquals(listed.filter((name) => !name.startsWith("new-")), []);
      await nextSecond();
      await store.touch(`${folder}/oldest`, signal, 0);
      const [latest, ...others] = await store.list(folder, signal);
      assertEquals([latest, others.length], ["oldest", 999]);
      assert(!others.includes("old"));
    });

    await step("passes artifacts on", async () => {
      const place = `${await bucket()}/p`;
      await passArtifacts({
        REACTORCIDE_CACHE_STORE:
          `s3://${place}?endpoint=http://127.0.0.1:${swift.port}`,
        ...AWS,
      });
    });

    await step(
      "has no half entry after SIGKILL, and saves the key again",
      async () => {
        const place = `${await bucket()}/p`;
        await using job = await jobWith(swift.port, place);
        await runShell(
          job.cwd,
          "mkdir tree; head -c 300000 /dev/urandom > tree/a",
        );
        // Before the server has the entry, and after.
        for (const [kind, isStored] of KILLED) {
          const { promise, resolve } = Promise.withResolvers<void>();
          await using proxy = startFaultyProxy(
            swift.port,
            async (request, forward) => {
              const isLast = request.method === "PUT" &&
                new URL(request.url).pathname.includes(`/local/${kind}/`);
              if (!isLast) return await forward();
              // The server has no conditional writes, and is asked again.
              const response = isStored ? await forward() : undefined;
              if (response?.status === 501) return response;
              resolve();
              return new Response("", { status: 500 });
            },
          );
          await using cli = startCli(["cache", ...SAVE], {
            cwd: job.cwd,
            env: job.envAt(proxy.port),
          });
          await promise;
          cli.child.kill("SIGKILL");
          await cli.end();
          const isWhole = kind === "entries" && isStored;
          const { stdout } = await job.run(RESTORE);
          assertEquals(stdout, isWhole ? "exact k1\n" : "miss\n");
        }
        assertEquals((await job.run(["clear"])).code, 0);
        assertEquals((await job.run(SAVE)).stdout, "saved k1\n");
        assertEquals((await job.run(RESTORE)).stdout, "exact k1\n");
      },
    );

    await step("is refused with a wrong key, and tells that once", async () => {
      await using job = await jobWith(swift.port, await bucket());
      await makeFiles(job.cwd, { "tree/a": "1" });
      await job.run(SAVE);
      const before = await listFiles(job.cwd);
      const wrong = "wr0ng-secret-key-77";
      for (const args of [SAVE, [...RESTORE, "--fallback", "k"]]) {
        const { code, stderr } = await job.run(args, {
          AWS_SECRET_ACCESS_KEY: wrong,
        });
        assertEquals(code, 0);
        assertMatch(stderr, /SignatureDoesNotMatch/);
        assertEquals(stderr.trim().split("\n").length, 1, stderr);
        assert(!stderr.includes(wrong));
      }
      const none = await job.run(RESTORE, { AWS_SECRET_ACCESS_KEY: "" });
      assertEquals([none.code, none.stdout], [0, "miss\n"]);
      assertMatch(none.stderr, /AWS_SECRET_ACCESS_KEY are not set/);
      assertEquals(await listFiles(job.cwd), before);
    });

    await step("is a miss if a clock is wrong", async () => {
      const place = await bucket();
      await using proxy = startFaultyProxy(
        swift.port,
        async (request, forward) => {
          const headers = await signAgain(request, Date.now() - 3_600_000);
          return await forward({ headers });
        },
      );
      await using job = await jobWith(proxy.port, place);
      const { code, stdout, stderr } = await job.run(RESTORE);
      assertEquals([code, stdout], [0, "miss\n"]);
      assertMatch(stderr, /RequestTimeTooSkewed/);
      assertEquals(stderr.trim().split("\n").length, 1, stderr);
      assertEquals(proxy.requests.length, 1);
    });

    await step("uploads large files in parts, or leaves none", async () => {
      const place = `${await bucket()}/p`;
      await using directory = await temporaryDirectory();
      const file = `${directory.path}/file`;
      await runShell(directory.path, "head -c 12000001 /dev/urandom > file");
      const content = await Deno.readFile(file);
      const sizes = { multipartBytes: 12_000_000, partBytes: 5 * 1024 * 1024 };
      const name = `v1/local/packs/${"a".repeat(64)}`;
      let mayFail = true;
      let lost: string | undefined;
      await using proxy = startFaultyProxy(
        swift.port,
        async (request, forward) => {
          const { searchParams } = new URL(request.url);
          const part = searchParams.get("partNumber");
          if (mayFail && part === "2") return new Response("", { status: 403 });
          // The first try of the third part, and the last answer, are lost.
          if (part === "3" && lost !== part) {
            lost = part;
            return new Response("", { status: 500 });
          }
          const response = await forward();
          const isLast = request.method === "POST" &&
            searchParams.has("uploadId");
          if (!isLast || lost === "last") return response;
          lost = "last";
          return new Response("", { status: 503 });
        },
      );
      const store = hasty(proxy.port, place, sizes);
      await assertRejects(
        () => store.put(name, { file }, signal),
        Error,
        "status 403",
      );
      assertEquals(await namesIn(store), []);
      assertEquals(await unfinishedUploads(swift, place), 0);
      mayFail = false;
      assertEquals(await store.put(name, { file }, signal), true);
      assertEquals(await namesIn(store), [name]);
      assertEquals(await unfinishedUploads(swift, place), 0);
      const options = { maxBytes: content.length, signal };
      assertEquals(await bytesOf(await store.get(name, options)), content);
      assertEquals(await store.getSize(name, signal), content.length);
      const parts = proxy.requests.filter((text) =>
        text.includes("partNumber=3")
      );
      assert(parts.length >= 2);
    });

    await step("retries, and continues a download", async () => {
      const place = await bucket();
      const content = new TextEncoder().encode("0123456789".repeat(1_000));
      await hasty(swift.port, place).put("v1/x", content, signal);
      const ranges: (string | null)[] = [];
      await using proxy = startFaultyProxy(
        swift.port,
        async (request, forward) => {
          ranges.push(request.headers.get("range"));
          if (ranges.length === 1) return new Response("", { status: 500 });
          const response = await forward();
          return ranges.length < 4 ? cut(response, 3_000) : response;
        },
      );
      const retry = { attempts: 5, delayMs: 1 };
      const store = hasty(proxy.port, place, { retry });
      const options = { maxBytes: content.length, signal };
      assertEquals(await bytesOf(await store.get("v1/x", options)), content);
      assertEquals(ranges, [null, null, "bytes=3000-", "bytes=6000-"]);
      await assertRejects(
        async () =>
          await bytesOf(await store.get("v1/x", { maxBytes: 9_000, signal })),
        Error,
        "larger than 9000 bytes",
      );
    });

    await step("is a miss if the server fails, hangs or resets", async () => {
      const place = await bucket();
      const release = Promise.withResolvers<void>();
      const rules: [reason: RegExp, rule: ProxyRule][] = [
        [/status 500/, () => new Response("", { status: 500 })],
        [/status 429/, () => new Response("", { status: 429 })],
        [/status 307/, () =>
          new Response(null, {
            status: 307,
            headers: { location: swift.endpoint },
          })],
        [/status 503 \(SlowDown\)/, () =>
          new Response(
            "<?xml version='1.0'?><Error><Code>SlowDown</Code></Error>",
            { status: 503 },
          )],
        [/no progress/, async (_, forward) => {
          await release.promise;
          return await forward();
        }],
        [
          /error|reset|cut|body/i,
          async (_, forward) => cut(await forward(), 2),
        ],
      ];
      const name = "v1/local/packs/x";
      await hasty(swift.port, place).put(name, new Uint8Array(9), signal);
      for (const [reason, rule] of rules) {
        await using proxy = startFaultyProxy(swift.port, rule);
        const store = hasty(proxy.port, place, {
          silenceMs: reason.source === "no progress" ? 200 : 20_000,
        });
        const error = await assertRejects(async () =>
          await bytesOf(await store.get(name, { maxBytes: 100, signal }))
        );
        // The proxy ends only after its last response.
        if (reason.source === "no progress") release.resolve();
        assertMatch(String(error), reason);
      }
    });

    await step("lets one of two writers win if the server can", async () => {
      const place = await bucket();
      const seen = new Set<string>();
      // Swift does not know the condition: the proxy checks it, and signs
      // again.
      await using proxy = startFaultyProxy(
        swift.port,
        async (request, forward) => {
          const { pathname } = new URL(request.url);
          if (!request.headers.has("if-none-match")) return await forward();
          if (seen.has(pathname)) return new Response("", { status: 412 });
          seen.add(pathname);
          return await forward({ headers: await signAgain(request) });
        },
      );
      const bytes = (text: string) => new TextEncoder().encode(text);
      const store = hasty(proxy.port, place);
      const isNew = { isNew: true };
      const results = await Promise.all(
        ["1", "2", "3"].map((text) =>
          store.put("v1/new", bytes(text), signal, isNew)
        ),
      );
      assertEquals(results.filter(Boolean).length, 1);
      assertEquals(await store.put("v1/new", bytes("4"), signal), true);
      // Without the condition, the last one wins.
      const plain = hasty(swift.port, place);
      for (const text of ["5", "6"]) {
        assertEquals(
          await plain.put("v1/new", bytes(text), signal, isNew),
          true,
        );
      }
      const options = { maxBytes: 1, signal };
      assertEquals(
        await bytesOf(await plain.get("v1/new", options)),
        bytes("6"),
      );
      await using job = await jobWith(proxy.port, place);
      await makeFiles(job.cwd, { "tree/a": "1" });
      const saves = await Promise.all([job.run(SAVE), job.run(SAVE)]);
      assertEquals(
        saves.map(({ stdout }) => stdout).sort(),
        ["exists k1\n", "saved k1\n"],
      );
    });

    await step("removes no new pack, and nothing outside", async () => {
      const place = `${await bucket()}/p`;
      const [inside, outside] = [
        hasty(swift.port, place),
        hasty(swift.port, place.replace("/p", "")),
      ];
      const bytes = new Uint8Array(9);
      const pack = `v1/local/packs/${"b".repeat(64)}`;
      await inside.put(pack, bytes, signal);
      await inside.put("v1/local/other", bytes, signal);
      await outside.put("v1/local/mine", bytes, signal);
      await pruneStore(inside, 1_000, signal);
      assertEquals(await namesIn(inside), [pack]);
      await pruneStore(inside, 0, signal);
      assertEquals(await namesIn(inside), []);
      assertEquals(await namesIn(outside), ["v1/local/mine"]);
    });

    await step("believes no list that leads out of the prefix", async () => {
      const place = `${await bucket()}/p`;
      const keys = [
        "p/v1/../../secret",
        "p/v1//x",
        "p/v1/./x",
        "q/v1/x",
        "p/v1/%ff",
        "p/v1/a%26b&amp;c",
      ];
      const contents = keys.map((key) =>
        `<Contents><Key>${key}</Key><Size>1</Size></Contents>`
      ).join("");
      await using proxy: FaultyProxy = startFaultyProxy(
        swift.port,
        (request) =>
          request.method === "GET"
            ? new Response(`<ListBucketResult>${contents}</ListBucketResult>`)
            : new Response(null, { status: 204 }),
      );
      const store = hasty(proxy.port, place);
      assertEquals(await namesIn(store), ["v1/a&b&c"]);
      await pruneStore(store, 0, signal);
      const [bucketName] = place.split("/");
      assertEquals(
        proxy.requests.filter((text) => !text.startsWith("GET")),
        [`DELETE /${bucketName}/p/v1/a%26b%26c`],
      );
    });
  },
});

/** Signs a request without its condition, and at another time. */
async function signAgain(
  { method, url, headers }: Request,
  timeMs: number = Date.now(),
): Promise<Headers> {
  const hash = headers.get("x-amz-content-sha256")!;
  const { headers: signed } = await new AwsV4Signer({
    ...S3_USER,
    method,
    url,
    headers: { "x-amz-content-sha256": hash },
    datetime: new Date(timeMs).toISOString().replace(/[:-]|\.\d{3}/g, ""),
    service: "s3",
    region: "us-east-1",
  }).sign();
  const changed = new Headers(headers);
  changed.delete("if-none-match");
  for (const [name, value] of signed) changed.set(name, value);
  return changed;
}

/** Sends the start of a response, and then breaks the connection off. */
async function cut(response: Response, length: number): Promise<Response> {
  const bytes = await response.bytes();
  const { status, headers } = response;
  const body = ReadableStream.from((async function* () {
    yield bytes.slice(0, length);
    await new Promise((resolve) => setTimeout(resolve, 50));
    throw new Error("cut off");
  })());
  const kept = new Headers(headers);
  kept.delete("content-length");
  return new Response(body, { status, headers: kept });
}

async function unfinishedUploads(
  { port }: SwiftServer,
  place: string,
): Promise<number> {
  const client = new S3Client(locationAt(port, place), S3_USER);
  const text = await client.send(
    { method: "GET", query: { uploads: "" } },
    (response) => response.text(),
    signal,
  );
  return text.split("<Upload>").length - 1;
}

Deno.test("a job that prints the secret key of its store shows no secret", async () => {
  await using directory = await temporaryDirectory();
  const env = { ...AWS, AWS_SESSION_TOKEN: "t0ken-of-a-session-51" };
  const command = "echo $AWS_SECRET_ACCESS_KEY $AWS_SESSION_TOKEN";
  const { stdout } = await runCli(["run", "--job-command", command], {
    cwd: directory.path,
    env,
  });
  assertEquals(stdout.includes(env.AWS_SECRET_ACCESS_KEY), false, stdout);
  assertEquals(stdout.includes(env.AWS_SESSION_TOKEN), false, stdout);
  assertEquals(stdout, "[REDACTED] [REDACTED]\n");
});

describe("the location of a bucket", () => {
  const parse = (text: string, env: Record<string, string> = {}) =>
    parseS3Location(new URL(text), { env, allowInsecureTransport: false });

  it("is in AWS, or on the server of an endpoint", () => {
    const places: [text: string, bucketUrl: string, prefix: string][] = [
      ["s3://b-1", "https://b-1.s3.us-east-1.amazonaws.com", ""],
      [
        "s3://b.c/x//y/?region=eu-1",
        "https://s3.eu-1.amazonaws.com/b.c",
        "x/y/",
      ],
      [
        "s3://b-1/x?endpoint=https://host:9000/s3/",
        "https://host:9000/s3/b-1",
        "x/",
      ],
    ];
    for (const [text, bucketUrl, prefix] of places) {
      const location = parse(text);
      assertEquals([location.bucketUrl, location.prefix], [bucketUrl, prefix]);
    }
    assertEquals(parse("s3://b-1", { AWS_REGION: "x-2" }).region, "x-2");
  });

  it("is refused with an explanation that shows no secret", () => {
    for (
      const [text, reason] of [
        ["s3://", /name of a bucket/],
        ["s3://me:passw0rd@b-1", /user info/],
        ["s3://b-1?x=passw0rd", /one endpoint and one region/],
        ["s3://b-1?region=a&region=b", /one endpoint and one region/],
        ["s3://b-1?region=a/b", /region/],
        ["s3://b-1/x%2fy", /prefix/],
        ["s3://b-1/x y", /prefix/],
        ["s3://b-1?endpoint=ftp://x", /https: URL/],
        ["s3://b-1?endpoint=http://127.0.0.1", /plain HTTP/],
        ["s3://b-1?endpoint=https://me:passw0rd@host", /user info/],
      ] as const
    ) {
      let message = "";
      try {
        parse(text);
      } catch (error) {
        message = String(error);
      }
      assertMatch(message, reason, text);
      assert(!message.includes("passw0rd"), message);
    }
  });
});
