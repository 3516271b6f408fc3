import { assertEquals, assertStringIncludes } from "@std/assert";
import { REPOSITORY } from "../helpers/cli.ts";
import { describeImage, engine, IMAGE, inImage } from "../helpers/image.ts";

/** Files from which the image is built. */
const PARTS = "cli.ts deno.json deno.lock image links mod.ts plugins.ts src";

describeImage("image/build.sh", (it) => {
  it("reports how to build if the other half of Deno cannot be downloaded", async () => {
    const { code, stderr } = await engine(
      ...["run", "--rm", "--network=none", "--user=0:0", "--entrypoint="],
      ...[`--volume=${REPOSITORY}:/repository:ro`, IMAGE, "sh", "-c"],
      `mkdir /tmp/package && cd /repository && cp -R ${PARTS} /tmp/package &&
       cd /tmp/package && image/build.sh compile`,
    );
    assertEquals(code, 1);
    assertStringIncludes(stderr, "--build-arg RUNNER=bundle");
  });

  it("leaves no bundle that begins with modules of Node.js", async () => {
    const { stdout } = await inImage([
      ...["sh", "-c"],
      `cat /usr/local/lib/runnerlib/bin/*.js | grep -oE 'import[^;"(]*"node:'`,
    ]);
    assertEquals(stdout, "");
  });
});
