import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RunnerError } from "../../src/errors.ts";
import {
  isInside,
  jobPathProblem,
  normalizeJobPath,
} from "../../src/job_path.ts";
import { guardPath } from "../../src/workspace/guard.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

Deno.test("isInside() compares whole components", () => {
  assertEquals(isInside("/job", "/job"), true);
  assertEquals(isInside("/job", "/job/src"), true);
  assertEquals(isInside("/job", "/jobs"), false);
  assertEquals(isInside("/job", "/"), false);
  assertEquals(isInside("/", "/etc"), true);
});

describe("normalizeJobPath()", () => {
  it("normalizes paths of a job", () => {
    const forms = {
      "/job": "/job",
      "/job/": "/job",
      "//job/src": "/job/src",
      "/job/./src/../ci/": "/job/ci",
      "/job/..name": "/job/..name",
      "/other/../job/src": "/job/src",
    };
    for (const [path, form] of Object.entries(forms)) {
      assertEquals(normalizeJobPath(path), form);
    }
  });

  it("refuses all other paths", () => {
    const hostile = [
      "",
      ".",
      "job",
      "job/src",
      "/",
      "/jobs",
      "/JOB",
      "/etc/passwd",
      "/job/..",
      "/job/../etc",
      "/job/src/../../etc",
      "/job/../jobs",
      " /job",
    ];
    for (const path of hostile) {
      assertEquals(jobPathProblem(path), 'must be "/job" or a path below it');
      const error = assertThrows(() => normalizeJobPath(path), RunnerError);
      assertEquals(error.code, "workspace");
    }
    assertEquals(
      jobPathProblem("/job/a\0b"),
      "must not contain a NUL character",
    );
  });
});

describe("guardPath()", () => {
  it("follows links that stay inside", async () => {
    await using directory = await temporaryDirectory();
    const root = `${directory.path}/root`;
    await makeFiles(directory.path, {
      "root/real/file": "",
      "root/relative": "-> real",
      "root/real/up": "-> ../real/file",
      "root/absolute": `-> ${root}/real`,
      "root/dangling": "-> real/missing",
      "door": "-> root",
    });
    const cases = {
      "": root,
      "real/file": `${root}/real/file`,
      "relative/file": `${root}/real/file`,
      "absolute/file": `${root}/real/file`,
      "real/up": `${root}/real/file`,
      "dangling": `${root}/real/missing`,
      "missing/below": `${root}/missing/below`,
      "real/file/below": `${root}/real/file/below`,
      "missing/../real": `${root}/real`,
      [`${root}/real`]: `${root}/real`,
      [`${directory.path}/door/real`]: `${root}/real`,
    };
    for (const [path, real] of Object.entries(cases)) {
      assertEquals(await guardPath(root, path), real);
      assertEquals(await guardPath(`${directory.path}/door`, path), real);
    }
  });

  it("refuses all paths that lead out", async () => {
    await using directory = await temporaryDirectory();
    const root = `${directory.path}/root`;
    await makeFiles(directory.path, {
      "outside/file": "",
      "rootbeer/file": "",
      "root/link": "-> ../outside",
      "root/absolute": "-> /etc",
      "root/dangling": "-> ../missing",
      "root/chain": "-> hop",
      "root/hop": "-> link/file",
      "root/deep/": "",
      "root/tunnel": `-> ${directory.path}/outside/back`,
      "outside/back": "-> elsewhere",
    });
    const hostile = [
      "..",
      "../outside/file",
      "deep/../../outside",
      "/etc/passwd",
      `${directory.path}/rootbeer/file`,
      "link",
      "link/file",
      "link/new",
      "absolute/passwd",
      "dangling",
      "dangling/new",
      "chain",
      "tunnel",
      // The kernel resolves `..` from the target of the link.
      "link/../file",
    ];
    for (const path of hostile) {
      const error = await assertRejects(
        () => guardPath(root, path),
        RunnerError,
        `Cannot use "${path}": it leads to "`,
      );
      assertEquals(error.code, "workspace");
    }
  });

  it("reports where a path leads", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, { "root/link": "-> ../outside" });
    await assertRejects(
      () => guardPath(`${directory.path}/root`, "link/new"),
      RunnerError,
      `it leads to "${directory.path}/outside/new", outside "${directory.path}/root"`,
    );
  });

  it("refuses cycles of links", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, { "a": "-> b", "b": "-> a/x" });
    const error = await assertRejects(
      () => guardPath(directory.path, "a"),
      RunnerError,
      "too many symbolic links",
    );
    assertEquals(error.code, "workspace");
  });

  it("refuses names that the system cannot look up", async () => {
    await using directory = await temporaryDirectory();
    for (const path of ["a\0b", "x".repeat(300)]) {
      const error = await assertRejects(
        () => guardPath(directory.path, path),
        RunnerError,
      );
      assertEquals(error.code, "workspace");
    }
  });
});
