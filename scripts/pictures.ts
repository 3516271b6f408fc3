/**
 * Takes the screenshots of the HTML report and the live page for `docs/`: `deno
 * task pictures`.
 *
 * Runs a job and opens its pages in Chromium, whose path can be set in `CHROMIUM`.
 * No check compares the pictures, because times differ in each run.
 *
 * @module
 */
// deno-lint-ignore no-import-prefix
import type { Browser } from "npm:playwright-core@1.54.1";

/** A job with a retry, an allowed failure, a failure and a skipped step. */
const JOB = `
failure_policy: continue
concurrency: 2
steps:
  - name: install
    run: sleep 2; echo "added 214 packages"
  - name: lint
    needs: install
    continue_on_error: true
    run: sleep 0.7; printf 'src/cart.ts:31:7 \\033[33mwarning\\033[0m unused variable\\n'; exit 1
  - name: types
    needs: install
    run: |
      for part in cart checkout search; do
        printf '\\033[2mchecking\\033[0m src/%s\\n' $part; sleep 0.8
      done
  - name: unit tests
    needs: install
    retry: { attempts: 3, delay: 300ms }
    run: |
      for test in $(seq 1 12); do
        printf '\\033[32m✓\\033[0m cart: test %d\\n' $test; sleep 0.15
      done
      test -e retried || { touch retried; echo "connection to the database was reset"; exit 1; }
      echo "412 tests passed"
  - name: build
    needs: types
    run: sleep 2.2; echo "tag=1.2.3" >> "$REACTORCIDE_OUTPUT"
  - name: browser tests
    needs: build
    run: |
      sleep 2.6
      echo "checkout: 38 passed, 1 failed"
      printf '\\033[31m✗ pays with a gift card\\033[0m: expected "0.00 €", found "NaN €" (tests/pay.ts:57)\\n'
      exit 1
  - name: publish
    needs: [browser tests, unit tests]
    run: echo published
  - name: notify
    needs: browser tests
    condition: any_failed
    run: sleep 0.4; echo "notified the team"
`;

/** Screenshots of the report, by file name. */
const PICTURES = {
  "report.png": { width: 1280, height: 1175, colorScheme: "light" },
  "report_narrow.png": { width: 390, height: 1500, colorScheme: "dark" },
} as const;

const LIVE_PICTURE = "live.png";

/** Output after which the screenshot of the live page is taken. */
const LIVE_OUTPUT = "cart: test 4";

const PLUGIN = "plugin_job_timer.ts";

const ROOT = new URL("../", import.meta.url);

if (import.meta.main) {
  const temporary = await Deno.makeTempDir();
  // The page is named after the directory.
  const directory = `${temporary}/shop`;
  // deno-lint-ignore no-import-prefix
  const { chromium } = await import("npm:playwright-core@1.54.1");
  const browser = await chromium.launch({
    executablePath: Deno.env.get("CHROMIUM") ?? "/usr/bin/chromium",
    args: ["--no-sandbox"],
  });
  try {
    await writeExampleJob(directory);
    await takeLivePicture(browser, directory);
    await takePictures(browser, `${directory}/job/artifacts/report.html`);
  } finally {
    await browser.close();
    await Deno.remove(temporary, { recursive: true });
  }
}

async function writeExampleJob(directory: string): Promise<void> {
  await Deno.mkdir(`${directory}/plugins`, { recursive: true });
  await Deno.writeTextFile(`${directory}/job.yaml`, JOB);
  await Deno.copyFile(
    `${ROOT.pathname}examples/plugins/${PLUGIN}`,
    `${directory}/plugins/${PLUGIN}`,
  );
}

/** Runs the job, and takes a screenshot of its live page while it runs. */
async function takeLivePicture(
  browser: Browser,
  directory: string,
): Promise<void> {
  const server = start(["ui"], directory, "piped");
  try {
    const page = await browser.newPage({
      viewport: { width: 1280, height: 900 },
      colorScheme: "dark",
    });
    await page.goto(await firstLine(server.stdout));
    const run = start(
      ["run", "--report", "html", "--plugin-dir", "plugins"],
      directory,
      "null",
    );
    await page.getByRole("link", { name: "shop" }).click();
    await page.locator("#output").getByText(LIVE_OUTPUT).waitFor();
    await page.screenshot({ path: picturePath(LIVE_PICTURE) });
    await page.close();
    await run.status;
  } finally {
    server.kill("SIGTERM");
    await server.status;
  }
}

function start(
  args: readonly string[],
  cwd: string,
  stdout: "null" | "piped",
): Deno.ChildProcess {
  const root = ROOT.pathname;
  return new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "--config", `${root}deno.json`, `${root}cli.ts`],
      ...args,
    ],
    cwd,
    env: { REACTORCIDE_IN_CONTAINER: "false" },
    stdout,
    stderr: "null",
  }).spawn();
}

async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("\n")) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`the server has ended: ${text}`);
    text += value;
  }
  return text.split("\n")[0];
}

async function takePictures(browser: Browser, report: string): Promise<void> {
  for (
    const [name, { width, height, colorScheme }] of Object.entries(PICTURES)
  ) {
    const page = await browser.newPage({
      viewport: { width, height },
      colorScheme,
    });
    await page.goto(`file://${report}`);
    await page.screenshot({ path: picturePath(name) });
    await page.close();
  }
}

function picturePath(picture: string): string {
  return new URL(`docs/${picture}`, ROOT).pathname;
}
