import { assertEquals } from "@std/assert";
import { spawn } from "../../src/process/spawn.ts";
import { BARE_ENV } from "../helpers/running.ts";

Deno.test("spawn() pipes standard input if requested", async () => {
  const child = spawn(["cat"], {
    cwd: "/",
    env: BARE_ENV,
    stdin: "piped",
    stderr: "separate",
  });
  const writer = child.stdin!.getWriter();
  await writer.write(new TextEncoder().encode("told"));
  await writer.close();
  assertEquals(await new Response(child.stdout).text(), "told");
  assertEquals(await new Response(child.stderr).text(), "");
  assertEquals((await child.status).exitCode, 0);
});

Deno.test("spawn() closes standard input by default", async () => {
  const child = spawn(["cat"], { cwd: "/", env: BARE_ENV });
  assertEquals(child.stdin, undefined);
  assertEquals(await new Response(child.stdout).text(), "");
  await child.status;
});
