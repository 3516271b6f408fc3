import { assertEquals } from "@std/assert";
import { shownPath } from "../src/job_path.ts";

Deno.test("shownPath() is relative to the current directory only below it", () => {
  const rows = [
    ["/work/app/logs/1.log", "/work/app", "logs/1.log"],
    ["/work/application", "/work/app", "/work/application"],
    ["/work/app", "/work/app", "/work/app"],
    ["/logs/1.log", "/", "logs/1.log"],
    ["/", "/", "/"],
  ];
  for (const [path, cwd, shown] of rows) {
    assertEquals(shownPath(path, cwd), shown, `${path} in ${cwd}`);
  }
});
