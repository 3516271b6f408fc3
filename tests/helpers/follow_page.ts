import { assert } from "@std/assert";
import { createOutputPattern, type PageBlock, readPage } from "./page.ts";
import { localShell, type PageShell } from "./page_shell.ts";
import { temporaryDirectory } from "./temporary_directory.ts";

/** Options for {@linkcode followPage}. */
export interface FollowPageOptions {
  /**
   * Shell in which the page is followed.
   *
   * @default {one of this machine, in a new directory}
   */
  shell?: PageShell;
}

/**
 * Follows a page from its first block to its last one, in one shell.
 *
 * @param page Text of the page.
 * @param options Directory and environment.
 * @throws {AssertionError} If a command fails, is not reached, or prints
 * something other than the page shows.
 */
export async function followPage(
  page: string,
  options: FollowPageOptions = {},
): Promise<void> {
  const { shell = localShell() } = options;
  await using directory = await temporaryDirectory();
  const record = `${directory.path}/record`;
  await Deno.mkdir(record);
  const blocks = readPage(page);
  const lines = blocks.map((block, at) =>
    createScript(block, `${record}/${at}`)
  );
  const stderr = await shell(`set -E\n${lines.join("\n")}`, directory.path);
  for (const [at, block] of blocks.entries()) {
    if (block.kind === "file") continue;
    const output = await readText(`${record}/${at}.out`);
    assert(output !== undefined, `Not reached:\n${block.text}${stderr}`);
    const failed = await readText(`${record}/${at}.failed`);
    const shown = `${block.text}\nprints:\n${output}`;
    assert(failed === undefined, `"${failed?.trim()}" fails in:\n${shown}`);
    if (block.kind !== "run" || block.output === undefined) continue;
    const pattern = createOutputPattern(block.output);
    assert(
      pattern.test(output.trimEnd()),
      `Expected ${block.output}\n${shown}`,
    );
  }
}

/** Creates the script of a block, which merges both streams as on a screen. */
function createScript(block: PageBlock, record: string): string {
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
