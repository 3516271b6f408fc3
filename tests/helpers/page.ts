/** A block of a page that a test can run or write. */
export type PageBlock =
  /** Commands to run, and their expected output. */
  | { readonly kind: "run"; readonly text: string; readonly output?: string }
  /** A file that the reader is asked to write. */
  | { readonly kind: "file"; readonly name: string; readonly text: string }
  /** Hidden commands that prepare the next blocks. */
  | { readonly kind: "setup"; readonly text: string };

const BLOCK =
  /(?:<!-- *(illustration|file: *(\S+)) *-->\s*)?^```([^\n]*)\n([\s\S]*?)^```$|<!-- setup\n([\s\S]*?)-->/gm;

/** Other code blocks of Markdown, which no test would run. */
const OTHER_BLOCK = /^[ \t>*-]*(?:```|~~~).*|(?<=\n\n)(?: {4}|\t).*/m;

/**
 * Languages of blocks that other tests run: those of the documentation, and the
 * one for job files in pages.
 */
const RUN_ELSEWHERE = new Set(["ts", "yaml"]);

/**
 * Reads the blocks of a page.
 *
 * - A `sh` block is run. A directly following `text` block is its expected
 *   output, where `…` stands for any text in a line, or for any lines if it is
 *   a line of its own.
 * - A block after `<!-- file: NAME -->` is the content of that file.
 * - A block after `<!-- illustration -->` is ignored.
 * - `<!-- setup … -->` contains commands that are hidden from readers.
 *
 * @param page Text of the page.
 * @returns Blocks in the order of the page.
 * @throws {Error} If a block is neither run by any test nor marked.
 */
export function readPage(page: string): PageBlock[] {
  const blocks: PageBlock[] = [];
  let last: { kind: "run"; text: string; output?: string } | undefined;
  for (const match of page.matchAll(BLOCK)) {
    const [, mark, name, language, text, setup] = match;
    const previous = last;
    last = undefined;
    if (setup !== undefined) blocks.push({ kind: "setup", text: setup });
    else if (mark === "illustration") continue;
    else if (name !== undefined) blocks.push({ kind: "file", name, text });
    else if (language === "sh") {
      last = { kind: "run", text };
      blocks.push(last);
    } else if (language === "text" && previous !== undefined) {
      previous.output = text;
    } else if (!RUN_ELSEWHERE.has(language)) {
      throw new Error(
        `Cannot run a block of "${language}" that has no mark: ${text}`,
      );
    }
  }
  const [other] = page.replaceAll(BLOCK, "").match(OTHER_BLOCK) ?? [];
  if (other !== undefined) throw new Error(`Cannot run the block at: ${other}`);
  return blocks;
}

/**
 * Creates a pattern from a text in which `…` stands for any text in a line, or
 * for any lines if it is a line of its own.
 */
export function createOutputPattern(output: string): RegExp {
  const lines = output.trimEnd().split("\n")
    .map((line) => line === "…" ? "[\\s\\S]*" : createLinePattern(line));
  return new RegExp(`^${lines.join("\\n")}$`);
}

function createLinePattern(line: string): string {
  return line.split("…")
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
    .join("[^\\n]*");
}
