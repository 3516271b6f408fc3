/**
 * Takes the pictures of the HTML report in `docs/`: `deno task pictures`.
 *
 * Runs a job, and opens its report in Chromium, which `CHROMIUM` may name. No
 * check compares the pictures, because times differ with each run.
 *
 * @module
 */
/** A job with a retry, an allowed failure, a failure and a skipped step. */
const JOB = `
failure_policy: continue
concurrency: 2
steps:
  - name: install
    run: sleep 0.6; echo "added 214 packages"
  - name: lint
    needs: install
    continue_on_error: true
    run: sleep 0.4; printf 'src/cart.ts:31:7 \\033[33mwarning\\033[0m unused variable\\n'; exit 1
  - name: types
    needs: install
    run: sleep 0.9; echo "checked 180 files"
  - name: unit tests
    needs: install
    retry: { attempts: 3, delay: 300ms }
    run: |
      sleep 0.7
      test -e retried || { touch retried; echo "connection to the database was reset"; exit 1; }
      echo "412 tests passed"
  - name: build
    needs: types
    run: sleep 1.1; echo "tag=1.2.3" >> "$REACTORCIDE_OUTPUT"
  - name: browser tests
    needs: build
    run: |
      sleep 1.4
      echo "checkout: 38 passed, 1 failed"
      printf '\\033[31m✗ pays with a gift card\\033[0m: expected "0.00 €", found "NaN €" (tests/pay.ts:57)\\n'
      exit 1
  - name: publish
    needs: [browser tests, unit tests]
    run: echo published
  - name: notify
    needs: browser tests
    condition: any_failed
    run: sleep 0.2; echo "notified the team"
`;

/** What is taken, by file name. */
const PICTURES = {
  "report.png": { width: 1280, height: 1170, colorScheme: "light" },
  "report_narrow.png": { width: 390, height: 1500, colorScheme: "dark" },
} as const;

const PLUGIN = "plugin_job_timer.ts";

const ROOT = new URL("../", import.meta.url);

if (import.meta.main) {
  const temporary = await Deno.makeTempDir();
  // The page is named after the directory.
  const directory = `${temporary}/shop`;
  try {
    await Deno.mkdir(directory);
    await runJob(directory);
    await takePictures(`${directory}/job/artifacts/report.html`);
  } finally {
    await Deno.remove(temporary, { recursive: true });
  }
}

async function runJob(directory: string): Promise<void> {
  const root = ROOT.pathname;
  await Deno.writeTextFile(`${directory}/job.yaml`, JOB);
  await Deno.mkdir(`${directory}/plugins`);
  await Deno.copyFile(
    `${root}examples/plugins/${PLUGIN}`,
    `${directory}/plugins/${PLUGIN}`,
  );
  const { stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "--config", `${root}deno.json`, `${root}cli.ts`, "run"],
      ...["--report", "html", "--plugin-dir", "plugins"],
    ],
    cwd: directory,
    env: { REACTORCIDE_IN_CONTAINER: "false" },
    stdout: "null",
    stderr: "piped",
  }).output();
  try {
    await Deno.stat(`${directory}/job/artifacts/report.html`);
  } catch {
    throw new Error(new TextDecoder().decode(stderr));
  }
}

async function takePictures(report: string): Promise<void> {
  // deno-lint-ignore no-import-prefix
  const { chromium } = await import("npm:playwright-core@1.54.1");
  const browser = await chromium.launch({
    executablePath: Deno.env.get("CHROMIUM") ?? "/usr/bin/chromium",
    args: ["--no-sandbox"],
  });
  try {
    for (
      const [name, { width, height, colorScheme }] of Object.entries(PICTURES)
    ) {
      const page = await browser.newPage({
        viewport: { width, height },
        colorScheme,
      });
      await page.goto(`file://${report}`);
      const path = new URL(`docs/${name}`, ROOT).pathname;
      await page.screenshot({ path });
      await page.close();
    }
  } finally {
    await browser.close();
  }
}
