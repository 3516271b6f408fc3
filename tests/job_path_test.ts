import { assertEquals } from "@std/assert";
import { dropNested, shownPath } from "../src/job_path.ts";

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

Deno.test("dropNested() keeps the paths that are in no other one", () => {
  assertEquals(dropNested(["/b/c", "/a", "/a-b", "/b", "/a/x/y", "/a"]), [
    "/a",
    "/a-b",
    "/b",
  ]);
  assertEquals(dropNested(["/", "/a"]), ["/"]);
  assertEquals(dropNested(["a/b", "a", "b"]), ["a", "b"]);
  assertEquals(dropNested(["", "a/b"]), [""]);
});
