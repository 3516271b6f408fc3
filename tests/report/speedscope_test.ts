import { assertEquals } from "@std/assert";
// It brings the page into the cache, from which the browser opens it.
// deno-lint-ignore no-import-prefix
import "npm:speedscope@1.25.0/package.json" with { type: "json" };
import { launchBrowser } from "../helpers/browser.ts";
import { isProgramMissing } from "../helpers/missing_program.ts";
import { runMain } from "../helpers/run_main.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** One step runs while the two others do, one after the other. */
const JOB = `
steps:
  - name: build
    run: sleep 0.01
  - name: "test <b>"
    depends_on: [build]
    retry: { attempts: 2, delay: 0 }
    run: test -e tried && touch done || { touch tried; exit 3; }
  - name: lint
    run: until test -e done; do sleep 0.01; done
`;

Deno.test({
  name: "speedscope opens the trace of a run and shows its steps",
  ignore: isProgramMissing("chromium"),
  // The driver of the browser keeps timers of its own.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    await makeFiles(cwd, { "job.yaml": JOB });
    const { code, stderr } = await runMain(
      ["run", "--job-file", "job.yaml", "--concurrency", "2"].concat(
        ["--report", "perfetto=trace.json"],
      ),
      { cwd },
    );
    assertEquals(code, 0, stderr);
    const browser = await launchBrowser(cwd, ["--enable-unsafe-swiftshader"]);
    try {
      const page = await browser.newPage();
      const said: string[] = [];
      page.on("pageerror", (error) => said.push(String(error)));
      page.on("console", (message) => {
        if (message.type() === "error") said.push(message.text());
      });
      page.on("dialog", (dialog) => {
        said.push(dialog.message());
        void dialog.dismiss();
      });
      await page.goto(
        import.meta.resolve(
          "npm:speedscope@1.25.0/dist/release/index.html",
        ),
      );
      await page.setInputFiles("input[type=file]", `${cwd}/trace.json`);
      // The other views are drawn on a canvas; this one has its names as text.
      await page.getByText("Sandwich").click();
      const lanes: string[] = [];
      for (const lane of [1, 2]) {
        await page.getByText(`steps ${lane} (tid`).first().waitFor();
        const rows = await page.locator("table").last().innerText();
        const names = rows.matchAll(/^\t([^%]*?)(?: \{.*)?$/gm);
        lanes.push(Array.from(names, ([, name]) => name).sort().join());
        await page.keyboard.press("n");
      }
      assertEquals(lanes.sort(), [
        "attempt 1,attempt 2,build,test <b>",
        "lint",
      ]);
      assertEquals(said, []);
    } finally {
      await browser.close();
    }
  },
});
