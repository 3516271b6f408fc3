import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RunnerError } from "../../src/errors.ts";
import { prepareSource } from "../../src/source/prepare.ts";
import { SourceRegistry } from "../../src/source/custom_source.ts";
import type { SourceHandler } from "../../src/source_handler.ts";
import { sourceContext } from "../helpers/source_context.ts";
import {
  exists,
  listFiles,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";
import { testRunner } from "../helpers/test_runner.ts";

/** Prepares a source with a handler. */
async function prepareWith(
  cwd: string,
  handler: SourceHandler,
  source: { url?: string; ref?: string },
  onLog?: (line: string, cancel: () => void) => void,
) {
  const context = sourceContext({
    cwd,
    onLog: (line) => onLog?.(line, () => context.cancellation.cancel("SIGINT")),
  });
  const target = context.workspace.pathOf("/job/src");
  const prepared = await prepareSource(
    { type: "p4", ...source, target, replace: false },
    { ...context, handlers: new Map([["p4", handler]]) },
  );
  return { ...prepared, target, log: context.log.lines };
}

describe("customSource()", () => {
  it("calls the handler to fill the directory", async () => {
    await using directory = await temporaryDirectory();
    const { path, commit, log } = await prepareWith(
      directory.path,
      async ({ target, url, ref, type, cwd, env, signal, log }) => {
        assertEquals([type, url, ref], ["p4", "depot", "@12"]);
        assertEquals([cwd, signal.aborted], [directory.path, false]);
        assert(env.PATH);
        log("working");
        await makeFiles(target, { "file": "text" });
        return "12";
      },
      { url: "depot", ref: "@12" },
    );
    assertEquals(await listFiles(path!), { "file": "text" });
    assertEquals(commit, "12");
    assert(log.includes("info source:p4: working {}"), log.join("\n"));
  });

  it("requires no URL and no result", async () => {
    await using directory = await temporaryDirectory();
    const { commit } = await prepareWith(directory.path, ({ target, url }) => {
      assertEquals(url, undefined);
      Deno.writeTextFileSync(`${target}/file`, "");
    }, {});
    assertEquals(commit, undefined);
  });

  it("leaves no files of a failed handler", async () => {
    await using directory = await temporaryDirectory();
    const failures: [handler: SourceHandler, reason: string][] = [
      [() => {}, "its handler left the directory empty"],
      [() => Promise.reject(new Error("no depot")), "no depot"],
      [
        ({ target }) => {
          Deno.writeTextFileSync(`${target}/half`, "");
          throw new Error("cannot reach https://me:s3cret@host/x");
        },
        "cannot reach https://***host/x",
      ],
    ];
    for (const [handler, reason] of failures) {
      const error = await assertRejects(
        () =>
          prepareWith(directory.path, handler, {
            url: "https://me:s3cret@host/x",
          }),
        RunnerError,
      );
      assertEquals(error.code, "source-failed");
      assertEquals(
        error.message,
        `Cannot fetch the source "https://***@host/x": ${reason}`,
      );
      assertEquals(await exists(`${directory.path}/job/src`), false);
    }
  });

  it("waits for a handler that ends when the job is cancelled", async () => {
    await using directory = await temporaryDirectory();
    let hasEnded = false;
    await assertRejects(
      () =>
        prepareWith(
          directory.path,
          ({ signal, log }) => {
            const { promise, reject } = Promise.withResolvers<void>();
            signal.addEventListener("abort", () => {
              hasEnded = true;
              reject(new Error("stopped"));
            });
            log("waiting");
            return promise;
          },
          {},
          (line, cancel) => line.includes("waiting") && cancel(),
        ),
      DOMException,
    );
    assert(hasEnded);
  });
});

describe("SourceRegistry", () => {
  it("accepts a type once, until it is unregistered", () => {
    const registry = new SourceRegistry();
    const handle = registry.add("p4", () => {});
    const copy = new SourceRegistry(registry);
    copy.add("bucket", () => {});
    assertEquals([...registry.handlers.keys()], ["p4"]);
    assertEquals([...copy.handlers.keys()], ["p4", "bucket"]);
    assertThrows(
      () => registry.add("p4", () => {}),
      TypeError,
      "has a handler",
    );
    handle[Symbol.dispose]();
    registry.add("p4", () => {});
    handle[Symbol.dispose]();
    assertEquals(registry.handlers.size, 1);
  });

  it("rejects invalid names, and built-in types", () => {
    const registry = new SourceRegistry();
    for (const type of ["", "P4", "a b", "-x", "git", "none", "tarball"]) {
      assertThrows(() => registry.add(type, () => {}), TypeError, "Cannot reg");
    }
    const handler = "no function" as unknown as SourceHandler;
    assertThrows(
      () => registry.add("p4", handler),
      TypeError,
      "not a function",
    );
  });
});

describe("registerSource()", () => {
  const fill: SourceHandler = ({ target, ref }) =>
    Deno.writeTextFile(`${target}/file`, String(ref));

  it("adds a type for both sources of a job", async () => {
    await using test = await testRunner();
    using _ = test.runner.registerSource("p4", fill);
    const { status } = await test.runner.runJob({
      command: 'test "$(cat file ../ci/file)" = 21',
      source: { type: "p4", ref: "2" },
      ciSource: { type: "p4", ref: "1" },
    });
    assertEquals(status, "success");
  });

  it("is known to a job file until it is unregistered", async () => {
    await using test = await testRunner();
    await makeFiles(test.path, {
      "job.yaml": "command: cat file\nsource: { type: p4, ref: r7 }\n",
    });
    const handle = test.runner.registerSource("p4", fill);
    await test.runner.runJob({ jobFile: "job.yaml" });
    assertEquals(test.stdout(), "r7");
    handle[Symbol.dispose]();
    await assertRejects(
      () => test.runner.runJob({ jobFile: "job.yaml" }),
      RunnerError,
      'source_type: must be "none", "git"',
    );
  });

  it("can be called by a plugin for one run, before the source is prepared", async () => {
    await using test = await testRunner();
    const problems: string[] = [];
    test.runner.registerPlugin({
      name: "perforce",
      preSourcePrep: (context) => context.registerSource("p4", fill),
      postSourcePrep(context) {
        try {
          context.registerSource("late", fill);
        } catch (error) {
          problems.push(String(error));
        }
      },
    });
    for (let round = 0; round < 2; round++) {
      const { status } = await test.runner.runJob({
        command: "cat file",
        source: { type: "p4" },
      });
      assertEquals(status, "success");
    }
    assertEquals(problems.length, 2);
    await assertRejects(
      () => test.runner.runJob({ command: "true", source: { type: "p5" } }),
      RunnerError,
      'no provider for source type "p5"',
    );
  });
});
