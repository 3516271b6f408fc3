import { assert, assertEquals, assertThrows } from "@std/assert";
import { RunnerError } from "../../src/errors.ts";
import { checkCommandSize } from "../../src/process/start_error.ts";
import { BARE_ENV, run } from "../helpers/running.ts";

const isLinux = Deno.build.os === "linux";

function refusalOf(
  argv: readonly string[],
  env: Record<string, string> = {},
): string {
  const error = assertThrows(
    () => checkCommandSize(argv, { name: "tool", env }),
    RunnerError,
  );
  assertEquals([error.code, error.exitCode], ["command-not-executable", 126]);
  return error.message;
}

Deno.test({
  name: "checkCommandSize() allows what the system accepts, to the byte",
  ignore: !isLinux,
  async fn() {
    const fits = "é".repeat(65_000) + "x".repeat(131_071 - 130_000 - 2);
    const running = run("echo ${#A}", { env: { ...BARE_ENV, A: fits } });
    assertEquals((await running.supervise()).exitCode, 0);
    assert(Number(running.stdout.text) > 65_000);
    assertEquals(
      refusalOf(["tool"], { A: `${fits}x` }),
      'Cannot start "tool": its variable "A" has 131072 bytes, and the system allows 131071 for one',
    );
    // The system itself rejects one more byte.
    assertThrows(() =>
      new Deno.Command("/bin/true", { env: { A: `${fits}x` } }).outputSync()
    );
  },
});

Deno.test({
  name:
    "checkCommandSize() names the argument that is too long, and not what is in it",
  ignore: !isLinux,
  fn() {
    assertEquals(
      refusalOf(["tool", "-c", "secret".repeat(30_000)]),
      'Cannot start "tool": its argument 2 has 180000 bytes, and the system allows 131071 for one',
    );
  },
});

Deno.test("checkCommandSize() names the largest strings", async () => {
  const many = (count: number) =>
    Object.fromEntries(
      Array.from({ length: count }, (_, at) => [
        `V${at}`,
        "x".repeat(100_000 + at),
      ]),
    );
  const message = refusalOf(["tool"], many(22));
  assert(
    message.includes(
      'the largest are variable "V21" (100025), variable "V20" (100024), variable "V19" (100023)',
    ),
    message,
  );
  assert(!message.includes("xxx"));
  const fits = run("env | wc -c", {
    env: { ...BARE_ENV, ...many(isLinux ? 19 : 5) },
  });
  assertEquals((await fits.supervise()).exitCode, 0);
});
