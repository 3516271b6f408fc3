import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  createBackoff,
  parseRetryAfter,
  retryDelay,
  type RetryPolicy,
} from "../../src/process/retry.ts";

const never = new AbortController().signal;

Deno.test("retryDelay() grows by the factor up to the maximum, minus a random share", () => {
  const policy: RetryPolicy = { attempts: 9, delayMs: 250, maxDelayMs: 8_000 };
  const delays = (chance: number) =>
    [1, 2, 3, 6, 7].map((attempt) => retryDelay(policy, attempt, chance));
  assertEquals(delays(0), [250, 500, 1_000, 8_000, 8_000]);
  assertEquals(delays(0.5), [188, 375, 750, 6_000, 6_000]);
  assertEquals(retryDelay({ attempts: 2 }, 3, 0), 4_000);
  assertEquals(
    retryDelay({ attempts: 2, factor: 4, jitter: 0 }, 2, 0.9),
    4_000,
  );
});

Deno.test("parseRetryAfter() reads seconds and the three formats of a date", () => {
  const date = "Sun, 06 Nov 1994 08:49:07 GMT";
  const read = (value: string, at = date) =>
    parseRetryAfter(new Headers({ "retry-after": value, date: at }));
  assertEquals(read("0"), 0);
  assertEquals(read(" 120 "), 120_000);
  assertEquals(read("Sun, 06 Nov 1994 08:49:37 GMT"), 30_000);
  assertEquals(read("Sunday, 06-Nov-94 08:49:37 GMT"), 30_000);
  assertEquals(read("Sun Nov  6 08:49:37 1994"), 30_000);
  assertEquals(read("Sun, 06 Nov 1994 08:48:00 GMT"), 0);
  for (
    const value of ["", "-1", "1.5", "soon", "Nov 6"]
  ) {
    assertEquals(read(value), undefined, value);
  }
  assertEquals(parseRetryAfter(new Headers()), undefined);
  // Without a `Date` header, the clock of this machine is used.
  const inAnHour = new Date(Date.now() + 3_600_000).toUTCString();
  const found = read(inAnHour, "no date") ?? 0;
  assert(found > 3_500_000 && found <= 3_600_000, String(found));
});

Deno.test("createBackoff() counts attempts and reports each delay", async () => {
  const pauses: [string, number][] = [];
  const backoff = createBackoff(
    { attempts: 3, delayMs: 2, jitter: 0 },
    { signal: never, onRetry: (...pause) => void pauses.push(pause) },
  );
  assertEquals(await backoff.next("one"), true);
  assertEquals(await backoff.next("two"), true);
  assertEquals(await backoff.next("three"), false);
  assertEquals(pauses, [["one", 2], ["two", 4]]);
});

Deno.test("createBackoff() waits as long as a server requests, up to one minute, with jitter", async () => {
  for (const [asked, least] of [[5_000, 5_000], [86_400_000, 60_000]]) {
    const stop = new AbortController();
    let pause = 0;
    const backoff = createBackoff({ attempts: 2, delayMs: 100 }, {
      signal: stop.signal,
      onRetry: (_, pauseMs) => {
        pause = pauseMs;
        stop.abort(new Error("stopped"));
      },
    });
    await assertRejects(() => backoff.next("busy", asked), Error, "stopped");
    assert(pause >= least && pause <= least + 50, String(pause));
  }
});

Deno.test("createBackoff() starts no attempt after the maximum time", async () => {
  const backoff = createBackoff(
    { attempts: 9, maxElapsedMs: 1_000 },
    { signal: never },
  );
  assertEquals(await backoff.next("busy", 30_000), false);
});
