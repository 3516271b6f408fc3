import { assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RunnerError } from "../../../src/errors.ts";
import { Masker } from "../../../src/secrets/masker.ts";
import { registerSecrets } from "../../../src/secrets/registration/register_secrets.ts";
import { testRegistration } from "../../helpers/registration.ts";
import { soon } from "../../helpers/soon.ts";
import { temporaryDirectory } from "../../helpers/temporary_directory.ts";

const SECRET = "correct-horse-battery";

describe("registerSecrets()", () => {
  it("resolves after values are masked", async () => {
    const masker = new Masker();
    await using registration = await testRegistration({
      onRegister: (values) => values.forEach((value) => masker.add(value)),
    });
    assertEquals(await registerSecrets(registration.path, [SECRET, ""]), 1);
    assertEquals(masker.maskText(`<${SECRET}>`), "<[REDACTED]>");
  });

  it("sends many and long values in several requests", async () => {
    await using registration = await testRegistration();
    const values = [
      ...Array.from({ length: 12_000 }, (_, i) => `value-${i}`),
      "x".repeat(900_000),
      "y".repeat(900_000),
    ];
    const { path } = registration;
    assertEquals(await registerSecrets(path, values), values.length);
    assertEquals(registration.values, values);
  });

  it("does not connect if there is nothing to register", async () => {
    assertEquals(await registerSecrets("/nowhere", []), 0);
    assertEquals(await registerSecrets("/nowhere", [""]), 0);
  });

  it("returns the number of values if the reply has none", async () => {
    await using server = await serve('{"status":"ok"}');
    assertEquals(await registerSecrets(server.path, ["a", "b"]), 2);
  });

  it("waits if more clients connect than the queue can hold", async () => {
    await using registration = await testRegistration();
    const { path } = registration;
    const counts = await Promise.all(
      Array.from(
        { length: 1_500 },
        // A busy machine needs more than the usual limit for so many clients.
        (_, i) => registerSecrets(path, [`v${i}`], { limitMs: 120_000 }),
      ),
    );
    assertEquals(new Set(counts), new Set([1]));
    assertEquals(registration.values.length, 1_500);
  });

  it("fails unless the runner confirms", async () => {
    const replies: [reply: string, state: string][] = [
      ["", "closed without an answer"],
      ["ERROR: Unknown action\n", 'refused with "ERROR: Unknown action"'],
      ["ERROR: Too many secrets\n", 'refused with "ERROR: Too many secrets"'],
      [`ERROR: ${SECRET}\n`, "an unexpected answer"],
      [
        `{"status": "error", "was": "${SECRET}"}\n`,
        "an unexpected answer",
      ],
      [`{"status": "ok"${" ".repeat(5000)}}\n`, "an unexpected answer"],
    ];
    for (const [reply, state] of replies) {
      await using server = await serve(reply);
      const error = await assertRejects(
        () => registerSecrets(server.path, [SECRET]),
        RunnerError,
      );
      assertEquals(
        error.message,
        `Cannot register secrets at "${server.path}": ${state}`,
      );
      assertEquals(Deno.inspect(error).includes(SECRET), false);
    }
  });

  it("fails if there is no runner", async () => {
    await using directory = await temporaryDirectory();
    const path = `${directory.path}/socket`;
    const missing = await assertRejects(() => registerSecrets(path, [SECRET]));
    assertEquals(
      (missing as Error).message,
      `Cannot register secrets at "${path}": no such file or directory`,
    );
    await Deno.writeTextFile(path, "no socket");
    const left = await assertRejects(() => registerSecrets(path, [SECRET]));
    assertEquals(
      (left as Error).message,
      `Cannot register secrets at "${path}": connection refused`,
    );
  });

  it("fails if there is no answer in time, or if it is aborted", async () => {
    await using server = await serve(undefined);
    const { path } = server;
    const late = await assertRejects(
      () => soon(registerSecrets(path, [SECRET], { limitMs: 50 }), "the end"),
      RunnerError,
    );
    assertEquals(
      late.message,
      `Cannot register secrets at "${path}": no answer in time`,
    );
    const stop = new AbortController();
    const asked = registerSecrets(path, [SECRET], { signal: stop.signal });
    stop.abort(new Error("enough"));
    await assertRejects(() => soon(asked, "the end"), Error, "enough");
    await assertRejects(
      () => registerSecrets(path, [SECRET], { signal: stop.signal }),
      Error,
      "enough",
    );
  });
});

/** A server that sends the same reply to every request, or none. */
async function serve(
  reply: string | undefined,
): Promise<AsyncDisposable & { path: string }> {
  const directory = await temporaryDirectory();
  const path = `${directory.path}/socket`;
  const listener = Deno.listen({ transport: "unix", path });
  const open = new DisposableStack();
  const serving = (async () => {
    for await (const connection of listener) {
      open.use(connection);
      if (reply === undefined) continue;
      await connection.read(new Uint8Array(65_536));
      await connection.write(new TextEncoder().encode(reply));
      connection.close();
    }
  })();
  return {
    path,
    async [Symbol.asyncDispose]() {
      listener.close();
      open.dispose();
      await serving;
      await directory[Symbol.asyncDispose]();
    },
  };
}
