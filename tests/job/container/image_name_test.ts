import { assertEquals } from "@std/assert";
import { imageProblem } from "../../../src/job/container/image_name.ts";

Deno.test("imageProblem() accepts the names of images", () => {
  const names = [
    ...["alpine", "alpine:3", "alpine:3.20", "library/alpine", "a/b/c:d"],
    ...["localhost:5000/runner", "localhost:5000/runner:1.2.3-rc_1"],
    "quay.io/catalystcommunity/reactorcide_runner",
    `alpine@sha256:${"0a".repeat(32)}`,
    `host:1/alpine:3@sha256:${"0a".repeat(32)}`,
    `sha256:${"0a".repeat(32)}`,
  ];
  for (const name of names) assertEquals(imageProblem(name), undefined, name);
});

Deno.test("imageProblem() refuses whatever an engine could take for something else", () => {
  const names = [
    ...["", " ", "-", "--privileged", "-v/:/host", "--volume=/:/host"],
    ...["alpine --privileged", "alpine\n--privileged", "alpine\0", "a;b"],
    ...["$(id)", "`id`", "a b", "/alpine", "alpine/", "a//b", "alpine:"],
    ...["alpine:-x", "alpine@", "alpine@sha256:xyz", "http://a/b", "ä"],
    "a".repeat(2_000),
  ];
  for (const name of names) {
    assertEquals(imageProblem(name), "it is not the name of an image", name);
  }
});

Deno.test("imageProblem() does not backtrack without end in long names", () => {
  for (const text of ["a/", "a.", "a:1/", "a-", "@a"]) {
    const name = text.repeat(500) + "!";
    assertEquals(imageProblem(name), "it is not the name of an image", text);
  }
});
