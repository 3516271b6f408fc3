import { assert } from "@std/assert";
import { CLI, cliEnv } from "./cli.ts";
import { GIT_ENV } from "./git_repository.ts";
import { outputPattern, type PageBlock, readPage } from "./page.ts";
import { makeFiles, temporaryDirectory } from "./temporary_directory.ts";

/** Options for {@linkcode followPage}. */
export interface FollowPageOptions {
  /**
   * Directory in which the page is followed.
   *
   * @default {a new one}
   */
  cwd?: string;
}

/**
 * Does what a page says, from its first block to its last one, in one shell.
 *
 * @param page Text of the page.
 * @param options Where it is followed.
 * @throws {AssertionError} If a command fails, or prints something else than
 * the page says.
 */
export async function followPage(
  page: string,
  options: FollowPageOptions = {},
): Promise<void> {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  const blocks = readPage(page);
  await makeFiles(path, {
    "bin/runnerlib": `#!/bin/sh\nexec deno run -A --no-check ${CLI} "$@"\n`,
    "home/": "",
    "work/": "",
    "record/": "",
  });
  await Deno.chmod(`${path}/bin/runnerlib`, 0o755);
  const script = blocks.map((block, at) =>
    scriptOf(block, `${path}/record/${at}`)
  )
    .join("\n");
  const { PATH, HOME: _home, ...git } = GIT_ENV;
  const { stderr } = await new Deno.Command("bash", {
    args: ["--norc", "-c", `set -E\n${script}`],
    cwd: options.cwd ?? `${path}/work`,
    clearEnv: true,
    env: {
      ...cliEnv(git),
      PATH: `${path}/bin:${PATH}`,
      DENO_DIR: Deno.env.get("DENO_DIR") ??
        `${Deno.env.get("HOME")}/.cache/deno`,
      HOME: `${path}/home`,
      // What npm thinks of its own version is no part of the page.
      npm_config_update_notifier: "false",
      npm_config_cache: `${Deno.env.get("HOME")}/.npm`,
      TMPDIR: `${path}/work`,
    },
    stdin: "null",
  }).output();
  const said = new TextDecoder().decode(stderr);
  for (const [at, block] of blocks.entries()) {
    if (block.kind === "file") continue;
    const output = await readText(`${path}/record/${at}.out`) ?? said;
    const failed = await readText(`${path}/record/${at}.failed`);
    const shown = `${block.text}\nprints:\n${output}`;
    assert(failed === undefined, `"${failed?.trim()}" fails in:\n${shown}`);
    if (block.kind !== "run" || block.output === undefined) continue;
    const pattern = outputPattern(block.output);
    assert(
      pattern.test(output.trimEnd()),
      `Expected ${block.output}\n${shown}`,
    );
  }
}

/** Standard output goes where standard error goes, as on a screen. */
function scriptOf(block: PageBlock, record: string): string {
  if (block.kind === "file") {
    const word = `END-${crypto.randomUUID()}`;
    return `mkdir -p "$(dirname ${block.name})"\ncat >${block.name} <<'${word}'\n${block.text}${word}`;
  }
  return [
    `exec >${record}.out 2>&1`,
    `trap 'echo "$BASH_COMMAND" >>${record}.failed' ERR`,
    block.text,
  ].join("\n");
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
