import { assert, assertEquals } from "@std/assert";
// deno-lint-ignore no-import-prefix
import axe from "npm:axe-core@4.10.3";
// deno-lint-ignore no-import-prefix
import type { Browser } from "npm:playwright-core@1.54.1";
import { FORMATS } from "../../src/report/formats/formats.ts";
import { readRecord } from "../../src/report/run_record.ts";
import { recordLine, startedLine } from "../helpers/record_lines.ts";
import { isInstalled } from "../helpers/is_installed.ts";
import { temporaryDirectory } from "../helpers/temporary_directory.ts";

/** Would run, load or leave the page if a browser took it for more than text. */
const HOSTILE = [
  "<script>document.title = 'taken'</script>",
  "<img src=x onerror=\"document.title = 'taken'\">",
  "</pre></details><iframe src='https://example.com'></iframe>",
  "'\" onfocus=\"document.title = 'taken'\" autofocus tabindex=1 x='",
  "<meta http-equiv=refresh content='0;url=https://example.com'>",
  "<style>body { display: none }</style>",
  "javascript:document.title='taken'",
].join("\n");

function step(name: string, startMs: number, outcome: string): string {
  const exitCode = outcome === "success" ? 0 : 3;
  const end = { outcome, exitCode, signal: null };
  const attempts = [1, 2].map((number) => ({
    ...end,
    number,
    startMs: startMs + 100 * number,
    durationMs: 90,
    outcome: number === 1 ? "failed" : outcome,
  }));
  return [
    recordLine("step.queued", startMs, { step: name }),
    recordLine("step.started", startMs + 100, { step: name, attempt: 1 }),
    recordLine("step.ended", startMs + 300, {
      ...end,
      step: name,
      conclusion: outcome,
      reason: HOSTILE,
      startedAt: new Date(Date.UTC(2026, 0, 1) + startMs).toISOString(),
      durationMs: 200,
      attempts,
      tail: [HOSTILE, "x".repeat(500)],
    }),
  ].join("\n");
}

const RUN = [
  startedLine({
    name: HOSTILE,
  }),
  recordLine("run.planned", 0, {
    steps: [
      { name: "build", dependsOn: [] },
      { name: HOSTILE, dependsOn: ["build"] },
      { name: "test", dependsOn: ["build", HOSTILE] },
    ],
  }),
  recordLine("plugin.called", 1, {
    plugin: HOSTILE,
    phase: "pre_validation",
    durationMs: 1,
  }),
  step("build", 0, "success"),
  step(HOSTILE, 300, "failed"),
  step("test", 600, "failed"),
  recordLine("run.ended", 900, {
    status: "failed",
    exitCode: 3,
    durationMs: 900,
    error: HOSTILE,
  }),
].join("\n");

async function openPage(
  browser: Browser,
  path: string,
  options: { width: number; colorScheme: "light" | "dark" },
) {
  const { width, colorScheme } = options;
  const page = await browser.newPage({
    viewport: { width, height: 900 },
    colorScheme,
    // The policy of the page stops the checker as well.
    bypassCSP: true,
  });
  await page.goto(`file://${path}`);
  return page;
}

Deno.test({
  name: "the page of a run is safe, readable and usable in a real browser",
  ignore: !isInstalled("chromium"),
  // The driver of the browser keeps timers of its own.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn(test) {
    await using directory = await temporaryDirectory();
    const path = `${directory.path}/report.html`;
    const write = await FORMATS.html.load();
    await Deno.writeTextFile(
      path,
      await write(readRecord(RUN)!, { color: false }),
    );
    // Without HOME, the driver does not start and the browser leaves its files
    // in the directory for temporary ones. No other program reads this variable.
    Deno.env.set("PLAYWRIGHT_BROWSERS_PATH", directory.path);
    const { chromium } = await import(
      // deno-lint-ignore no-import-prefix
      "npm:playwright-core@1.54.1"
    );
    const browser = await chromium.launch({
      executablePath: "/usr/bin/chromium",
      args: ["--no-sandbox"],
      env: { ...Deno.env.toObject(), HOME: directory.path },
    });
    try {
      await test.step("it runs nothing, loads nothing and reports nothing", async () => {
        const page = await browser.newPage();
        const said: string[] = [];
        page.on("console", (message) => said.push(message.text()));
        page.on("pageerror", (error) => said.push(String(error)));
        page.on("request", (request) => said.push(request.url()));
        page.on("dialog", (dialog) => {
          said.push(dialog.message());
          void dialog.dismiss();
        });
        await page.goto(`file://${path}`);
        await page.keyboard.press("Tab");
        assertEquals(said, [`file://${path}`]);
        assert((await page.title()).startsWith("<script>"));
        assertEquals(await page.locator("script, iframe, img").count(), 0);
        assert(await page.locator("h1").isVisible());
        await page.close();
      });

      await test.step("it obeys its policy even if something gets in", async () => {
        const page = await browser.newPage();
        await page.goto(`file://${path}`);
        const title = await page.title();
        await page.evaluate(`
          const script = document.createElement("script");
          script.textContent = "document.title = 'taken'";
          document.body.append(script);
        `);
        assertEquals(await page.title(), title);
        await page.close();
      });

      for (const width of [1280, 390]) {
        for (const colorScheme of ["light", "dark"] as const) {
          await test.step(`nothing is wrong with it at ${width} pixels, ${colorScheme}`, async () => {
            const page = await openPage(browser, path, { width, colorScheme });
            const overflow = await page.evaluate(
              "document.documentElement.scrollWidth - innerWidth",
            );
            assertEquals(overflow, 0);
            await page.evaluate(axe.source);
            const { violations } = await page.evaluate("axe.run()") as {
              violations: { id: string; impact: string; nodes: unknown[] }[];
            };
            assertEquals(
              violations.map(({ id, impact, nodes }) =>
                `${id} (${impact}) ${JSON.stringify(nodes)}`
              ),
              [],
            );
            await page.close();
          });
        }
      }

      await test.step("it can be used with the keyboard", async () => {
        const page = await browser.newPage();
        await page.goto(`file://${path}`);
        const second = page.locator("details").nth(1);
        assertEquals(await second.getAttribute("open"), null);
        await second.locator("summary").focus();
        await page.keyboard.press("Enter");
        assertEquals(await second.getAttribute("open"), "");
        await page.close();
      });
    } finally {
      await browser.close();
    }
  },
});
