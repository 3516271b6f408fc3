import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RunnerError } from "../../src/errors.ts";
import { openWorkspace } from "../../src/workspace/layout.ts";
import {
  listFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

describe("openWorkspace()", () => {
  const said = (value: string, cwd = "/home/me") =>
    openWorkspace({
      cwd,
      env: { REACTORCIDE_IN_CONTAINER: value },
      root: "/nonexistent/job",
    });

  it("accepts REACTORCIDE_IN_CONTAINER in any letter case", () => {
    for (const value of ["true", "1", "yes", "TRUE", " Yes "]) {
      assert(said(value).inContainer, value);
    }
    for (const value of ["false", "0", "no", "FALSE", "No"]) {
      assert(!said(value, "/nonexistent/job").inContainer, value);
    }
  });

  it("detects a container without the variable", async () => {
    await using root = await temporaryDirectory();
    for (const value of [undefined, "", " "]) {
      const env: Record<string, string> = value === undefined
        ? {}
        : { REACTORCIDE_IN_CONTAINER: value };
      const options = { cwd: "/home/me", env };
      assert(openWorkspace({ ...options, root: root.path }).inContainer);
      assert(
        !openWorkspace({ ...options, root: `${root.path}/no` }).inContainer,
      );
    }
  });

  it("refuses an unknown value of REACTORCIDE_IN_CONTAINER", () => {
    const error = assertThrows(() => said("maybe"), RunnerError);
    assertEquals(error.code, "invalid-config");
  });

  it("leaves no file after the detection", async () => {
    await using root = await temporaryDirectory();
    openWorkspace({ cwd: "/home/me", env: {}, root: root.path });
    assertEquals(await listFiles(root.path), {});
  });

  it("uses a read-only root only if it contains the current directory", () => {
    // Not even root can create a file in /proc.
    const open = (cwd: string) =>
      openWorkspace({ cwd, env: {}, root: "/proc" }).inContainer;
    assertEquals(open("/proc"), true);
    assertEquals(open("/proc/self"), true);
    assertEquals(open("/processes"), false);
    assertEquals(open("/home/me"), false);
  });

  it("does not use a file as the workspace of a container", async () => {
    await using directory = await temporaryDirectory();
    const root = `${directory.path}/job`;
    await Deno.writeTextFile(root, "");
    assert(!openWorkspace({ cwd: root, env: {}, root }).inContainer);
  });

  it("maps the paths of jobs", () => {
    const container = said("true");
    assertEquals(container.base, "/nonexistent/job");
    assertEquals(container.pathOf("/job/src"), "/nonexistent/job/src");
    const laptop = said("false");
    assertEquals(laptop.base, "/home/me/job");
    assertEquals(laptop.pathOf("/job"), "/home/me/job");
    assertEquals(laptop.pathOf("/job//a/./b/"), "/home/me/job/a/b");
  });

  it("refuses paths outside /job", () => {
    assertThrows(
      () => said("false").pathOf("/job/../etc"),
      RunnerError,
      'Cannot use "/job/../etc": must be "/job" or a path below it',
    );
  });
});
