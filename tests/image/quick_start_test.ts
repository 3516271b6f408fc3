import { assertEquals } from "@std/assert";
import { REPOSITORY } from "../helpers/cli.ts";
import { followPage } from "../helpers/follow_page.ts";
import { describeImage } from "../helpers/image.ts";
import { asNewcomer, newcomerShell } from "../helpers/newcomer.ts";

/** Prints what a newcomer's machine has of what it might have, and their files. */
const LOOK = `
for tool in bash git node npx deno runnerlib python3 curl; do
  command -v $tool >/dev/null && echo $tool
done
find ~ -mindepth 1 ! -name '.bash*' ! -name .profile
`;

describeImage("docs/quick-start.md", (it) => {
  it("needs nothing but bash, git and Node", async () => {
    const { stdout } = await asNewcomer(["bash", "-c", LOOK]);
    assertEquals(stdout, "bash\ngit\nnode\nnpx\n");
  });

  it("can be followed word for word by a newcomer", async () => {
    const page = await Deno.readTextFile(`${REPOSITORY}/docs/quick-start.md`);
    await followPage(page, { shell: newcomerShell() });
  });
});
