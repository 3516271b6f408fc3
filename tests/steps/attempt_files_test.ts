import { assert, assertEquals, assertRejects } from "@std/assert";
import { dirname } from "@std/path/posix/dirname";
import { describe, it } from "@std/testing/bdd";
import {
  type AttemptFiles,
  openAttemptFiles,
} from "../../src/steps/attempt_files.ts";
import { openWorkspace } from "../../src/workspace/layout.ts";
import { temporaryDirectory } from "../helpers/temporary_directory.ts";

function open(
  attemptsPath: string,
  isUntrusted: boolean,
): AttemptFiles & Disposable {
  const workspace = openWorkspace({
    cwd: attemptsPath,
    env: {},
    root: "/none",
  });
  return openAttemptFiles({
    attemptsPath,
    isUntrusted,
    workspace,
    readOnly: [],
    env: {},
    inherited: {},
  });
}

function namesIn(directory: string): string[] {
  return Array.from(Deno.readDirSync(directory), ({ name }) => name);
}

describe("openAttemptFiles()", () => {
  for (const isUntrusted of [false, true]) {
    const who = isUntrusted ? "an untrusted step" : "a trusted step";

    it(`reads and removes the outputs of ${who}`, async () => {
      await using temporary = await temporaryDirectory();
      const { path } = temporary;
      {
        using files = open(path, isUntrusted);
        assertEquals(await files.readOutputs({ haveEnded: false }), {});
        await Deno.writeTextFile(files.outputPath, "a=1\n");
        const outputs = await files.readOutputs({ haveEnded: true });
        assertEquals({ ...outputs }, { a: "1" });
      }
      assertEquals(namesIn(path), []);
      {
        using files = open(path, isUntrusted);
        assertEquals(await files.readOutputs({ haveEnded: true }), {});
      }
      assertEquals(namesIn(path), []);
    });

    it(`removes a directory that ${who} left instead`, async () => {
      await using temporary = await temporaryDirectory();
      {
        using files = open(temporary.path, isUntrusted);
        await Deno.mkdir(`${files.outputPath}/deep`, { recursive: true });
        await assertRejects(
          () => files.readOutputs({ haveEnded: true }),
          Error,
          "it is not a regular file",
        );
      }
      assertEquals(namesIn(temporary.path), []);
    });
  }

  it("hides the files of others from untrusted steps only", async () => {
    await using temporary = await temporaryDirectory();
    const { path } = temporary;
    using untrusted = open(path, true);
    using trusted = open(path, false);
    const own = dirname(untrusted.outputPath);
    assertEquals(dirname(own), path);
    assertEquals(untrusted.protectedPaths.hidden?.[0], { path, except: own });
    assertEquals(dirname(trusted.outputPath), path);
    assertEquals(trusted.protectedPaths.hidden, undefined);
  });

  it("chooses names that cannot be guessed", async () => {
    await using temporary = await temporaryDirectory();
    using one = open(temporary.path, false);
    using other = open(temporary.path, false);
    assert(one.outputPath !== other.outputPath);
    assert(/\/output-[0-9a-f]{32}$/.test(one.outputPath), one.outputPath);
  });
});
