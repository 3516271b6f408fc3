import { assertEquals } from "@std/assert";
import { findAnchors, linkProblems } from "../../scripts/docs/link_problems.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

Deno.test("linkProblems() reports links to missing files and headings", async () => {
  await using directory = await temporaryDirectory();
  await makeFiles(directory.path, {
    "README.md":
      "# Title\n[a](docs/a.md) [b](docs/b.md) [c](#title) [d](#no)\n",
    "docs/a.md": [
      "# The `code` and/or more\n",
      "[home](../README.md#title) [here](#the-code-andor-more)",
      "[there](../README.md#nothing) [far](https://example.com/x)",
      "`[code](nothing.md)`",
      "```sh\n# [block](nothing.md)\n```",
    ].join("\n"),
  });
  const root = new URL(`file://${directory.path}/`);
  assertEquals(await linkProblems(root, ["README.md", "docs/a.md"]), [
    "README.md: docs/b.md: no such file",
    "README.md: #no: no such heading",
    "docs/a.md: ../README.md#nothing: no such heading",
  ]);
});

Deno.test("findAnchors() numbers headings with the same name", () => {
  assertEquals(
    findAnchors("# A b\n## A b\n```sh\n# no heading\n```\n"),
    new Set(["a-b", "a-b-1"]),
  );
});
