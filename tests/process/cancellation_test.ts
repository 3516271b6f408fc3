import { assert, assertEquals } from "@std/assert";
import { Cancellation, onAbort } from "../../src/process/cancellation.ts";
import { signalExitCode } from "../../src/process/spawn.ts";

Deno.test("Cancellation is graceful first and forced the second time", () => {
  const cancellation = new Cancellation();
  const heard: string[] = [];
  cancellation.graceful.addEventListener("abort", () => heard.push("graceful"));
  cancellation.forced.addEventListener("abort", () => heard.push("forced"));
  assertEquals(cancellation.signal, null);
  cancellation.cancel("SIGHUP");
  assertEquals(heard, ["graceful"]);
  assert(!cancellation.forced.aborted);
  cancellation.cancel("SIGTERM");
  cancellation.cancel("SIGINT");
  assertEquals(heard, ["graceful", "forced"]);
  assertEquals(cancellation.signal, "SIGHUP", "the first signal stays");
});

Deno.test("Cancellation has its signal when listeners are called", () => {
  const cancellation = new Cancellation();
  let signal: string | null = null;
  cancellation.graceful.addEventListener("abort", () => {
    signal = cancellation.signal;
  });
  cancellation.cancel("SIGINT");
  assertEquals(signal, "SIGINT");
  const reason = cancellation.graceful.reason;
  assert(reason instanceof DOMException);
  assertEquals([reason.name, reason.message], [
    "AbortError",
    "Cancelled by SIGINT",
  ]);
});

Deno.test("onAbort() calls the listener immediately, later, or never after it is disposed", () => {
  let calls = 0;
  const late = new AbortController();
  onAbort(AbortSignal.abort(), () => calls++);
  assertEquals(calls, 1);
  onAbort(late.signal, () => calls++);
  {
    using _ = onAbort(late.signal, () => calls += 100);
  }
  assertEquals(calls, 1);
  late.abort();
  assertEquals(calls, 2);
});

Deno.test("signalExitCode() counts like a shell", () => {
  assertEquals(
    (["SIGHUP", "SIGINT", "SIGQUIT", "SIGKILL", "SIGTERM"] as const)
      .map(signalExitCode),
    [129, 130, 131, 137, 143],
  );
});
