import { assertStringIncludes } from "@std/assert";
import { goalTable } from "../../bench/goals.ts";

Deno.test("the README of the benchmarks lists their goals", async () => {
  const page = await Deno.readTextFile(
    new URL("../../bench/README.md", import.meta.url),
  );
  const cells = (text: string) => text.replaceAll(/ *\| */g, "|");
  assertStringIncludes(
    cells(page),
    cells(goalTable().split("\n").slice(2).join("\n")),
  );
});
