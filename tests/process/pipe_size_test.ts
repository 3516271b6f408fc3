import { assertEquals } from "@std/assert";
import { fixedEnvironment } from "../../src/environment/child_environment.ts";
import { enlargePipe } from "../../src/process/pipe_size.ts";
import { spawn } from "../../src/process/spawn.ts";

const SIZE = 3_000_000;

Deno.test("enlargePipe() loses nothing of what a program writes, whenever it is called", async () => {
  const child = spawn(["head", "-c", String(SIZE), "/dev/zero"], {
    cwd: "/",
    env: fixedEnvironment({ PATH: "/usr/bin:/bin" }),
  });
  enlargePipe(child.pid);
  let length = 0;
  for await (const bytes of child.stdout) {
    length += bytes.length;
    enlargePipe(child.pid);
  }
  assertEquals(length, SIZE);
  assertEquals((await child.status).exitCode, 0);
  // The program has ended, and has no files any more.
  enlargePipe(child.pid);
});
