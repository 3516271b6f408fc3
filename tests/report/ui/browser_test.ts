import { assert, assertEquals } from "@std/assert";
// deno-lint-ignore no-import-prefix
import axe from "npm:axe-core@4.10.3";
import { launchBrowser } from "../../helpers/browser.ts";
import { startCli } from "../../helpers/cli.ts";
import { makeGate } from "../../helpers/gate.ts";
import { isProgramMissing } from "../../helpers/missing_program.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../../helpers/temporary_directory.ts";

/** Would run if a browser took it for more than text. */
const HOSTILE = "<img src=x onerror=\"document.title = 'taken'\">";

const JOB = `
failure_policy: continue
steps:
  - name: build
    run: |
      cat hostile.txt
      read _ < "$GATE"
      echo second line
      read _ < "$GATE"
  - name: lint
    run: cat hostile.txt; exit 4
  - name: ${JSON.stringify(HOSTILE)}
    depends_on: [build]
    run: echo done
`;

Deno.test({
  name: "the live page follows a job in a real browser, and is safe and usable",
  ignore: isProgramMissing("chromium"),
  // The driver of the browser keeps timers of its own.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn(test) {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    await makeFiles(cwd, {
      "work/job.yaml": JOB,
      "work/hostile.txt":
        `${HOSTILE}\n</pre><script>document.title = 'taken'</script>\n\x1b[31mred\x1b[0m\n`,
    });
    using gate = await makeGate(cwd);
    await using ui = startCli(["ui", "work"], { cwd });
    await ui.sees("/\n");
    const url = ui.stdout.trim();
    const browser = await launchBrowser(cwd);
    const said: string[] = [];
    const requests: string[] = [];
    const page = await browser.newPage();
    page.on("console", (message) => said.push(message.text()));
    page.on("pageerror", (error) => said.push(String(error)));
    page.on("request", (request) => requests.push(request.url()));
    try {
      await page.goto(url);
      await page.getByText("There are none yet").waitFor();
      await using run = startCli(["run", "--job-file", "job.yaml"], {
        cwd: `${cwd}/work`,
        env: { GATE: gate.path },
      });

      await test.step("a run appears in the list, and its page shows what runs", async () => {
        const link = page.getByRole("link", { name: "work" });
        await link.waitFor();
        await link.click();
        await page.locator("h1", { hasText: "running work" }).waitFor();
        await page.getByRole("status").getByText("live").waitFor();
        const log = page.locator("#output details", { hasText: "build" });
        await log.getByText(HOSTILE).waitFor();
        await page.locator(".step", { hasText: "lint" })
          .getByText("exit code 4").waitFor();
        // A reload would reset it.
        await page.evaluate("globalThis.isSame = true");
      });

      for (const [what, address] of [["list", url], ["page", page.url()]]) {
        await test.step(`nothing is wrong with the ${what} in any width and scheme`, async () => {
          // The policy of the page stops the checker as well.
          const checked = await browser.newPage({ bypassCSP: true });
          await checked.goto(address);
          await checked.getByRole("status").getByText("live").waitFor();
          if (what === "page") {
            await checked.locator("#output").getByText(HOSTILE).waitFor();
          }
          await checked.evaluate(axe.source);
          for (const width of [1280, 390]) {
            for (const colorScheme of ["light", "dark"] as const) {
              await checked.setViewportSize({ width, height: 900 });
              await checked.emulateMedia({ colorScheme });
              const overflow = await checked.evaluate(
                "document.documentElement.scrollWidth - innerWidth",
              );
              assertEquals(overflow, 0, `${width}`);
              const { violations } = await checked.evaluate("axe.run()") as {
                violations: { id: string; impact: string; nodes: unknown[] }[];
              };
              assertEquals(
                violations.map(({ id, impact, nodes }) =>
                  `${id} (${impact}) ${JSON.stringify(nodes)}`
                ),
                [],
                `${width}, ${colorScheme}`,
              );
            }
          }
          await checked.close();
        });
      }

      await test.step("what is open and focused stays so while the page is drawn again", async () => {
        const failed = page.locator(".failure", { hasText: "lint" });
        await failed.locator("summary").focus();
        await page.keyboard.press("Enter");
        assertEquals(await failed.getAttribute("open"), null);
        const row = page.locator(".step", { hasText: "lint" });
        await row.locator("summary").focus();
        await page.keyboard.press("Enter");
        await page.evaluate(`
          getSelection().selectAllChildren(document.querySelector(".step .critical"))
        `);
        const selected = await page.evaluate("String(getSelection())");
        await gate.open();
        await page.locator("#output").getByText("second line").waitFor();
        await gate.open();
        await page.locator("h1", { hasText: "failed work" }).waitFor();
        assertEquals(await failed.getAttribute("open"), null);
        assertEquals(await row.getAttribute("open"), "");
        assertEquals(
          await page.evaluate(
            'document.activeElement.closest(".step").querySelector("b").textContent',
          ),
          "lint",
        );
        assertEquals(selected, "build");
        assertEquals(await page.evaluate("String(getSelection())"), "build");
        // No step runs any more.
        await page.locator("#output").waitFor({ state: "hidden" });
        assertEquals((await run.end()).code, 4);
        assertEquals(await page.evaluate("isSame"), true);
      });

      await test.step("the whole log of a step is a page with its colors", async () => {
        const link = page.locator(".step")
          .getByRole("link", { name: "Whole log of lint" });
        await link.click();
        await page.locator(".log").getByText(HOSTILE).waitFor();
        assertEquals(await page.locator(".log .fg-1").textContent(), "red");
        await page.getByRole("link", { name: "Back to the run" }).click();
        await page.locator("h1", { hasText: "failed work" }).waitFor();
      });

      await test.step("its policy is in force, and nothing of the job runs", async () => {
        const title = await page.title();
        assertEquals(title, "work: failed");
        assertEquals(await page.locator("img, iframe").count(), 0);
        assertEquals(said, []);
        assertEquals(requests.filter((one) => !one.startsWith(url)), []);
        await page.evaluate(`
          const script = document.createElement("script");
          script.textContent = "document.title = 'taken'";
          document.body.append(script);
          document.body.setAttribute("onclick", "document.title = 'taken'");
          document.body.click();
        `);
        assertEquals(await page.title(), title);
        assert(said.some((text) => text.includes("Content Security Policy")));
      });
    } finally {
      await browser.close();
    }
  },
});
