import { assertEquals } from "@std/assert";
import { shownPath } from "../src/job_path.ts";

Deno.test("shownPath() is relative to the current directory only below it", () => {
  const rows = [
    ["/srv/app/logs/1.log", "/srv/app", "logs/1.log"],
    ["/srv/application", "/srv/app", "/srv/application"],
    ["/srv/app", "/srv/app", "/srv/app"],
    ["/logs/1.log", "/", "logs/1.log"],
    ["/", "/", "/"],
  ];
  for (const [path, cwd, shown] of rows) {
    assertEquals(shownPath(path, cwd), shown, `${path} in ${cwd}`);
  }
});
