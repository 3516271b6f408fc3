import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { parseOutputs, readOutputs } from "../../src/steps/output_files.ts";
import { outputVariable } from "../../src/steps/outputs.ts";
import { temporaryDirectory } from "../helpers/temporary_directory.ts";

Deno.test("parseOutputs() reads single-line and multi-line values", () => {
  assertEquals(
    { ...parseOutputs("a=1\n\nb=x=y \r\nc<<END\nline 1\n  line 2\nEND\nd=\n") },
    { a: "1", b: "x=y ", c: "line 1\n  line 2", d: "" },
  );
});

Deno.test("parseOutputs() uses the last value of a key", () => {
  assertEquals({ ...parseOutputs("a=1\na=2") }, { a: "2" });
});

Deno.test("parseOutputs() names the invalid line, and prints no value", () => {
  for (
    const [text, message] of [
      ["a=1\nhunter2", "line 2 is neither key=value nor key<<WORD"],
      ["a b=hunter2", "line 1 has no valid key"],
      ["=hunter2", "line 1 has no valid key"],
      ["a<<END\nhunter2", "line 1 starts a value that does not end"],
      ["a<<\nhunter2", "line 1 starts a value that does not end"],
    ]
  ) {
    const { message: told } = assertThrows(() => parseOutputs(text), Error);
    assertEquals(told.startsWith(message), true, told);
    assertEquals(told.includes("hunter2"), false);
  }
});

Deno.test("parseOutputs() treats __proto__ like any other key", () => {
  const outputs = parseOutputs("__proto__=x");
  assertEquals(Object.entries(outputs), [["__proto__", "x"]]);
  assertEquals(({} as Record<string, unknown>).x, undefined);
});

Deno.test("readOutputs() opens only regular files", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  assertEquals({ ...await readOutputs(`${path}/none`) }, {});
  await Deno.mkdir(`${path}/directory`);
  await Deno.symlink("/dev/zero", `${path}/link`);
  await new Deno.Command("mkfifo", { args: [`${path}/pipe`] }).output();
  const reasons = {
    directory: "it is not a regular file",
    link: "it is a symbolic link",
    pipe: "it is not a regular file",
  };
  for (const [name, reason] of Object.entries(reasons)) {
    await assertRejects(() => readOutputs(`${path}/${name}`), Error, reason);
  }
  await Deno.writeFile(`${path}/large`, new Uint8Array(1024 * 1024 + 1));
  await assertRejects(() => readOutputs(`${path}/large`), Error, "larger than");
  await Deno.writeFile(`${path}/bytes`, new Uint8Array([0x61, 0x3d, 0xff]));
  await assertRejects(() => readOutputs(`${path}/bytes`), Error, "not UTF-8");
});

Deno.test("outputVariable() returns names that a shell can read", () => {
  assertEquals(
    outputVariable("build-app", "image.tag"),
    "REACTORCIDE_OUTPUT_BUILD_APP_IMAGE_TAG",
  );
  assertEquals(
    outputVariable("test (linux, 22)", "count"),
    "REACTORCIDE_OUTPUT_TEST_LINUX_22_COUNT",
  );
  assertEquals(outputVariable("t[0]", "a"), "REACTORCIDE_OUTPUT_T_0_A");
});
