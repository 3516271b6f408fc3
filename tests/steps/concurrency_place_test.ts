import { assertEquals, assertRejects } from "@std/assert";
import { RunnerError } from "../../src/errors.ts";
import { takePlace } from "../../src/steps/concurrency_place.ts";
import { runTool } from "../helpers/archives.ts";
import {
  exists,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

Deno.test("takePlace() neither blocks on nor follows what a step has put in a place", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  const places = `${path}/reactorcide/concurrency`;
  await makeFiles(places, {
    "link.1": `-> ${path}/target`,
    "directory.1/": "",
  });
  await runTool(places, "mkfifo", "pipe.1");
  for (const group of ["link", "directory", "pipe"]) {
    const error = await assertRejects(
      () =>
        takePlace({ group }, {
          env: { XDG_STATE_HOME: path },
          signal: AbortSignal.timeout(10_000),
          onWait() {},
        }),
      RunnerError,
      "it is not a regular file",
    );
    assertEquals(error.code, "invalid-config");
  }
  assertEquals(await exists(`${path}/target`), false);
});
