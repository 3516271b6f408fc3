import { assertRejects } from "@std/assert";
import { findEngine } from "../../src/container/engine.ts";
import { RunnerError } from "../../src/errors.ts";
import { Cancellation } from "../../src/process/cancellation.ts";

Deno.test("findEngine() names the programs that it has looked for", async () => {
  for (
    const [docker, named, expected] of [
      ["", undefined, '"docker" or "podman"'],
      ["nerdctl", undefined, '"nerdctl"'],
      ["nerdctl", "finch", '"finch"'],
    ] as const
  ) {
    const host = { env: { PATH: "/nowhere", DOCKER: docker }, cwd: "/" };
    await assertRejects(
      () => findEngine(host, new Cancellation(), named),
      RunnerError,
      `Cannot find ${expected}: command not found`,
    );
  }
});
