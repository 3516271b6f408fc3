import { assertEquals } from "@std/assert";
import { quotedPath } from "../../../src/source/git/git_config.ts";

Deno.test("quotedPath() quotes a path as git does", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const names = [
      'a"b',
      "a\\b",
      "a\nb",
      "a\tb",
      "a\x01b",
      "a\x07\b\v\f\rb",
      "a\x7fb",
      "a\x9fb",
    ];
    for (const name of names) {
      await Deno.writeTextFile(`${directory}/${name}`, "");
    }
    const run = async (...args: string[]) => {
      const { stdout } = await new Deno.Command("git", {
        args: ["-C", directory, ...args],
        clearEnv: true,
        env: {
          PATH: Deno.env.get("PATH") ?? "",
          GIT_CONFIG_GLOBAL: "/dev/null",
          GIT_CONFIG_NOSYSTEM: "1",
        },
      }).output();
      return new TextDecoder().decode(stdout);
    };
    await run("init", "-q");
    const printed = await run("ls-files", "--others");
    assertEquals(
      printed.trimEnd().split("\n").sort(),
      names.map(quotedPath).sort(),
    );
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
