import { assertEquals } from "@std/assert";
import { watchJob } from "../../../src/cli/terminal/live_view.ts";
import { processHost } from "../../../src/host.ts";
import { shouldUseColor } from "../../../src/terminal/text.ts";

Deno.test("shouldUseColor() follows the variables, then the terminal", () => {
  const cases: [
    env: Record<string, string>,
    onTerminal: boolean,
    elsewhere: boolean,
  ][] = [
    [{}, true, false],
    [{ CI: "true" }, true, false],
    [{ TERM: "dumb" }, false, false],
    [{ NO_COLOR: "1" }, false, false],
    [{ NO_COLOR: "" }, true, false],
    [{ FORCE_COLOR: "1" }, true, true],
    [{ FORCE_COLOR: "" }, true, false],
    [{ FORCE_COLOR: "0" }, false, false],
    [{ FORCE_COLOR: "false" }, false, false],
    [{ FORCE_COLOR: "1", NO_COLOR: "1" }, true, true],
    [{ FORCE_COLOR: "1", TERM: "dumb", CI: "1" }, true, true],
  ];
  for (const [env, onTerminal, elsewhere] of cases) {
    assertEquals(
      [shouldUseColor(env, true), shouldUseColor(env, false)],
      [onTerminal, elsewhere],
      JSON.stringify(env),
    );
  }
});

Deno.test("watchJob() draws only if both streams are interactive terminals", async () => {
  const cases: [
    env: Record<string, string>,
    stdout: boolean,
    stderr: boolean,
    expected: boolean,
  ][] = [
    [{}, true, true, true],
    [{}, false, true, false],
    [{}, true, false, false],
    [{ CI: "true" }, true, true, false],
    [{ CI: "false" }, true, true, true],
    [{ CI: "" }, true, true, true],
    [{ TERM: "dumb" }, true, true, false],
    [{ NO_COLOR: "1" }, true, true, true],
  ];
  for (const [env, stdout, stderr, expected] of cases) {
    await using view = watchJob({
      ...processHost(),
      env,
      stdout: stream(stdout),
      stderr: stream(stderr),
    });
    assertEquals(view !== undefined, expected, JSON.stringify(env));
  }
});

function stream(isTerminal: boolean) {
  return { write: () => Promise.resolve(0), isTerminal: () => isTerminal };
}
