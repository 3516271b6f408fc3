/**
 * Publishes the package from a staged copy: `deno task publish`.
 *
 * The list of files is always checked first; with `--dry-run`, nothing else
 * happens. Other arguments are passed to `deno publish`.
 *
 * @module
 */
import { stagePackage } from "./stage.ts";

/** Patterns of the files that may be published. */
const FILES = [
  "LICENSE",
  "NOTICES",
  "README.md",
  "cli.js",
  "cli.ts",
  "deno.json",
  "mod.ts",
  "plugins.ts",
  "testing.ts",
];
const FOLDER = "src/";

if (import.meta.main) {
  const directory = await Deno.makeTempDir({ prefix: "runnerlib-publish-" });
  try {
    Deno.exitCode = await publish(directory, Deno.args);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function publish(
  directory: string,
  args: readonly string[],
): Promise<number> {
  const target = await stagePackage(directory);
  const { success, report } = await runDryPublish(target);
  if (!success) {
    console.error(report);
    return 1;
  }
  const files = listFiles(report);
  for (const file of files) console.log(file);
  const problems = findProblems(files);
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) return 1;
  console.log(`${files.length} files to publish`);
  return args.includes("--dry-run") ? 0 : await publishStaged(target, args);
}

/** Runs `deno publish --dry-run`, which checks the package and lists the files to upload. */
async function runDryPublish(
  target: string,
): Promise<{ success: boolean; report: string }> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["publish", "--dry-run", "--allow-dirty"],
    cwd: target,
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  return { success, report: decoder.decode(stdout) + decoder.decode(stderr) };
}

/** Finds lines such as `   file:///…/package/src/steps/step.ts (1.2KB)`. */
function listFiles(report: string): string[] {
  return [...report.matchAll(/^\s+file:\/\/\S*?\/package\/(\S+) \(/gm)]
    .map(([, path]) => path)
    .sort();
}

function findProblems(files: readonly string[]): string[] {
  return [
    ...FILES
      .filter((file) => !files.includes(file))
      .map((file) => `Cannot publish "${file}": it is missing`),
    ...files
      .filter((file) => !FILES.includes(file) && !file.startsWith(FOLDER))
      .map((file) => `Cannot publish "${file}": it is not part of the package`),
  ];
}

async function publishStaged(
  target: string,
  args: readonly string[],
): Promise<number> {
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: ["publish", "--allow-dirty", ...args],
    cwd: target,
  }).spawn().status;
  return code;
}
