import { assert, assertEquals } from "@std/assert";
// deno-lint-ignore no-import-prefix
import axe from "npm:axe-core@4.10.3";
// deno-lint-ignore no-import-prefix
import type { Browser } from "npm:playwright-core@1.54.1";
import { FORMATS } from "../../src/report/formats/formats.ts";
import { readRecord } from "../../src/report/run_record.ts";
import {
  failedStepLine,
  recordLine,
  startedLine,
} from "../helpers/record_lines.ts";
import { launchBrowser } from "../helpers/browser.ts";
import { isProgramMissing } from "../helpers/missing_program.ts";
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

/** Escape sequences around text that would run, and that close elements. */
const HOSTILE_SEQUENCES = [
  `\x1b[31m${HOSTILE}\x1b[0m`,
  "\x1b]8;;javascript:document.title='taken'\x07link\x1b]8;;\x07",
  "\x1b[31;\"><script>document.title='taken'</script>m",
  "\x1b]0;title\x07\x1b[2J\x1b[?1049h\x1bPq#0\x1b\\",
  "\x1b[38;5;1\x1b[0m\x1b[99999999999m\x1b[",
].join("\n");

/** Each color as text, as background, and with others. */
function colorSamples(count: number): string {
  return Array.from(
    { length: count },
    (_, color) =>
      ["38;5;N", "48;5;N", "31;48;5;N", "7;38;5;N", "2;38;5;N", "1;4;38;5;N"]
        .map((codes) => `\x1b[${codes.replace("N", `${color}`)}mx\x1b[0m`)
        .join(""),
  ).join("") +
    "\x1b[7mx\x1b[27;2mx\x1b[0;48;2;1;2;3mx\x1b[38;2;9;9;9mx\x1b[m";
}

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
      rerun: `runnerlib run --only '${HOSTILE}'`,
      startedAt: new Date(Date.UTC(2026, 0, 1) + startMs).toISOString(),
      durationMs: 200,
      attempts,
      tail: [HOSTILE, "x".repeat(500), HOSTILE_SEQUENCES, colorSamples(16)],
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

const EARLIER = [
  startedLine({ ref: HOSTILE }),
  step("build", 0, "failed"),
  step(`${HOSTILE} gone`, 300, "success"),
  recordLine("run.ended", 400, {
    status: "failed",
    exitCode: 3,
    durationMs: 400,
  }),
].join("\n");

function rgbOf(text: string): number[] {
  return text.match(/\d+/g)!.slice(0, 3).map(Number);
}

/** Contrast of two colors, by the guidelines for accessibility. */
function contrast(a: readonly number[], b: readonly number[]): number {
  const [low, high] = [a, b].map((color) => {
    const [red, green, blue] = color.map((value) =>
      value <= 10 ? value / 3294 : ((value / 255 + 0.055) / 1.055) ** 2.4
    );
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05;
  }).sort((one, other) => one - other);
  return high / low;
}

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
  ignore: isProgramMissing("chromium"),
  // The driver of the browser keeps timers of its own.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn(test) {
    await using directory = await temporaryDirectory();
    const path = `${directory.path}/report.html`;
    const write = await FORMATS.html.load();
    await Deno.writeTextFile(
      path,
      await write(readRecord(RUN)!, {
        color: false,
        earlier: readRecord(EARLIER),
      }),
    );
    const browser = await launchBrowser(directory.path);
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

      await test.step("it shows output with its colors, which can be read in both schemes", async () => {
        const colors = `${directory.path}/colors.html`;
        const lines = [
          startedLine(),
          failedStepLine("paint", 900, { tail: [colorSamples(256)] }),
        ].join("\n");
        await Deno.writeTextFile(
          colors,
          await write(readRecord(lines)!, { color: false }),
        );
        for (const colorScheme of ["light", "dark"] as const) {
          const page = await browser.newPage({ colorScheme });
          await page.goto(`file://${colors}`);
          const ground = rgbOf(
            await page.evaluate(`
            getComputedStyle(document.querySelector("pre")).backgroundColor
          `),
          );
          const looks = await page.evaluate(`
            [...document.querySelectorAll("pre span")].map((span) => {
              const { color, backgroundColor } = getComputedStyle(span);
              return [span.className, color, backgroundColor];
            })
          `) as [string, string, string][];
          assertEquals(looks.length, 6 * 256 + 4);
          const unreadable = looks.filter(([, color, background]) => {
            const own = background === "rgba(0, 0, 0, 0)";
            return contrast(rgbOf(color), own ? ground : rgbOf(background)) <
              4.5;
          });
          assertEquals(unreadable, []);
          const shown = new Map(
            looks.map((
              [name, color, background],
            ) => [name, [color, background]]),
          );
          assertEquals(shown.get("bg-46 on-16"), [
            "rgb(0, 0, 0)",
            "rgb(0, 255, 0)",
          ]);
          assertEquals(
            shown.get("fg-208")![0],
            colorScheme === "light" ? "rgb(153, 81, 0)" : "rgb(255, 135, 0)",
          );
          await page.close();
        }
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
            await page.evaluate(`
              for (const one of document.querySelectorAll("details")) one.open = true;
            `);
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

      await test.step("links open what they lead to", async () => {
        const page = await browser.newPage();
        await page.goto(`file://${path}`);
        const row = page.locator(".step", { hasText: "test" }).last();
        assertEquals(await row.getAttribute("open"), null);
        await page.locator(".slowest").getByRole("link", { name: "test" })
          .click();
        await page.waitForFunction(
          'document.querySelector(":target").closest("details").open',
        );
        assertEquals(await row.getAttribute("open"), "");
        await row.getByRole("link", { name: "Last lines" }).click();
        await page.waitForFunction(`
          document.querySelector("pre:target")?.closest("details.failure").open
        `);
        await page.close();
      });

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
