import { assertEquals } from "@std/assert";
import { parseS3Location, S3Client } from "../../src/cache/s3_client.ts";
import { cachedJob, type JobSteps } from "../helpers/cached_job.ts";
import { type ProxyRule, startFaultyProxy } from "../helpers/faulty_proxy.ts";
import { runMain } from "../helpers/run_main.ts";
import {
  isSwiftMissing,
  S3_USER,
  startSwift,
} from "../helpers/swift_server.ts";

const { signal } = new AbortController();

const HOUR_MS = 60 * 60_000;

const STEPS: JobSteps = Object.fromEntries(
  ["a", "b"].map((name) => [name, {
    run: `mkdir -p out; cat in/${name} > out/${name}; echo built ${name}`,
    cache: { inputs: `in/${name}`, outputs: `out/${name}` },
  }]),
);

Deno.test({
  name: "steps whose results are on a real S3 server",
  ignore: isSwiftMissing(),
  async fn(test) {
    await using swift = await startSwift();
    let count = 0;
    const rules: ProxyRule[] = [];
    await using proxy = startFaultyProxy(
      swift.port,
      (request, forward) => (rules.at(-1) ?? passOn)(request, forward),
    );
    const open = async () => {
      rules.length = 0;
      const job = await cachedJob(STEPS, { "in/a": "1", "in/b": "2" });
      const place = `steps-${count++}`;
      const storeAt = (place: string) =>
        `s3://${place}?endpoint=http://127.0.0.1:${proxy.port}`;
      const create = async (place: string) => {
        const location = parseS3Location(new URL(storeAt(place)), {
          env: {},
          allowInsecureTransport: true,
        });
        await new S3Client(location, S3_USER)
          .send({ method: "PUT" }, () => {}, signal);
      };
      await create(place);
      const env = {
        XDG_CACHE_HOME: job.env.XDG_CACHE_HOME,
        AWS_ACCESS_KEY_ID: S3_USER.accessKeyId,
        AWS_SECRET_ACCESS_KEY: S3_USER.secretAccessKey,
        REACTORCIDE_ALLOW_INSECURE_TRANSPORT: "true",
        REACTORCIDE_CACHE_STORE: storeAt(place),
      };
      return Object.assign(job, {
        /** Runs the job; returns the steps that ran, and the requests. */
        async build(more: Record<string, string> = {}) {
          proxy.requests.length = 0;
          const result = await job.run([], { ...env, ...more });
          assertEquals(result.code, 0, result.stderr);
          return {
            ran: result.ran,
            requests: proxy.requests.map(kindOf).sort(),
            stderr: result.stderr,
          };
        },
        clear: () => runMain(["cache", "clear"], { cwd: job.cwd, env }),
        async removeOutputs() {
          await Deno.remove(`${job.cwd}/out`, { recursive: true });
        },
        async changeMemory(change: (seen: { ms: number }) => void) {
          const directory = `${env.XDG_CACHE_HOME}/reactorcide/files`;
          const entries = await Array.fromAsync(Deno.readDir(directory));
          const [{ name }] = entries.filter(({ name }) =>
            name.endsWith(".json")
          );
          const path = `${directory}/${name}`;
          const content = JSON.parse(await Deno.readTextFile(path));
          const steps = Object.values<{ seen: { ms: number } }>(content.steps);
          for (const { seen } of steps) change(seen);
          await Deno.writeTextFile(path, JSON.stringify(content));
        },
        async forget() {
          await Deno.remove(env.XDG_CACHE_HOME, { recursive: true });
        },
        async otherStore() {
          const other = `${place}-other`;
          await create(other);
          return { REACTORCIDE_CACHE_STORE: storeAt(other) };
        },
      });
    };

    await test.step("need no requests while everything is up to date", async () => {
      await using job = await open();
      assertEquals((await job.build()).ran, ["a", "b"]);
      const { ran, requests } = await job.build();
      assertEquals([ran, requests], [[], []]);
      await job.removeOutputs();
      assertEquals((await job.build()).requests, ["GET pack", "GET pack"]);
    });

    await test.step("are requested again after a while, and if the clock jumps", async () => {
      await using job = await open();
      await job.build();
      for (const ms of [-2 * HOUR_MS, 2 * HOUR_MS]) {
        await job.changeMemory((seen) => seen.ms += ms);
        const { ran, requests } = await job.build();
        assertEquals([ran, requests], [[], ["HEAD result", "HEAD result"]]);
        assertEquals((await job.build()).requests, []);
      }
    });

    await test.step("are requested if the store is a different one, or was cleared", async () => {
      await using job = await open();
      await job.build();
      assertEquals((await job.build(await job.otherStore())).ran, ["a", "b"]);
      await job.build();
      assertEquals((await job.clear()).code, 0);
      assertEquals((await job.build()).ran, ["a", "b"]);
      const last = await job.build();
      assertEquals(last.ran, [], last.stderr + last.requests);
    });

    await test.step("are read with one request where nothing is remembered", async () => {
      await using job = await open();
      await job.build();
      await job.forget();
      assertEquals((await job.build()).requests, ["GET result", "GET result"]);
      await job.forget();
      await job.removeOutputs();
      assertEquals(
        (await job.build()).requests,
        ["GET pack", "GET pack", "GET result", "GET result"],
      );
    });

    await test.step("are marked as used if they are old, as long as that is allowed", async () => {
      await using job = await open();
      await job.build();
      let status = 200;
      rules.push(async (request, forward) => {
        if (request.headers.has("x-amz-copy-source") && status !== 200) {
          return new Response("", { status });
        }
        const response = await forward();
        const headers = new Headers(response.headers);
        const date = new Date(Date.now() - 2 * HOUR_MS).toUTCString();
        headers.set("last-modified", date);
        return new Response(response.body, {
          status: response.status,
          headers,
        });
      });
      await job.changeMemory((seen) => seen.ms -= 2 * HOUR_MS);
      assertEquals(
        (await job.build()).requests,
        ["HEAD result", "HEAD result", "PUT result", "PUT result"],
      );
      status = 403;
      await job.changeMemory((seen) => seen.ms -= 2 * HOUR_MS);
      const { ran, requests, stderr } = await job.build({
        REACTORCIDE_CONCURRENCY: "1",
      });
      assertEquals(ran, []);
      assertEquals(requests, ["HEAD result", "HEAD result", "PUT result"]);
      assertEquals(/warning/.test(stderr), false, stderr);
    });
  },
});

const passOn: ProxyRule = (_, forward) => forward();

/** Describes a request by its method and the kind of its object. */
function kindOf(request: string): string {
  const [method, path] = request.split(" ");
  const kind = /\/packs\//.test(path)
    ? "pack"
    : /\/last$/.test(path)
    ? "last"
    : /\/steps\//.test(path)
    ? "result"
    : path;
  return `${method} ${kind}`;
}
