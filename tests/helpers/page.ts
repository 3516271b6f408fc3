/** A piece of a page that a test can do something with. */
export type PageBlock =
  /** Commands to run, and what the page says they print. */
  | { readonly kind: "run"; readonly text: string; readonly output?: string }
  /** A file that the reader is asked to write. */
  | { readonly kind: "file"; readonly name: string; readonly text: string }
  /** Commands that make the surroundings of the next blocks; not shown. */
  | { readonly kind: "setup"; readonly text: string };

const BLOCK =
  /(?:<!-- *(illustration|file: *(\S+)) *-->\s*)?^```([^\n]*)\n([\s\S]*?)^```$|<!-- setup\n([\s\S]*?)-->/gm;

/** Other blocks of code that Markdown knows: no one would run them. */
const OTHER_BLOCK = /^[ \t>*-]*(?:```|~~~).*|(?<=\n\n)(?: {4}|\t).*/m;

/**
 * Languages of blocks that other tests run: the ones of the documentation, and
 * the one for job files in pages.
 */
const RUN_ELSEWHERE = new Set(["ts", "yaml"]);

/**
 * Reads the blocks of a page.
 *
 * - A `sh` block is run; the `text` block that follows it, if any comes before
 *   the next block, is what it prints, where `…` stands for any text of a line,
 *   and a line of its own for any lines.
 * - A block behind `<!-- file: NAME -->` is the content of that file.
 * - A block behind `<!-- illustration -->` is left alone.
 * - `<!-- setup … -->` holds commands that no reader needs.
 *
 * @param page Text of the page.
 * @returns Blocks in their order.
 * @throws {Error} If a block is neither run, by whomever, nor marked.
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
 * Makes a pattern of a text in which `…` stands for any text of a line, and a
 * line that is nothing else for any lines.
 */
export function outputPattern(output: string): RegExp {
  const lines = output.trimEnd().split("\n")
    .map((line) => line === "…" ? "[\\s\\S]*" : linePattern(line));
  return new RegExp(`^${lines.join("\\n")}$`);
}

function linePattern(line: string): string {
  return line.split("…")
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
    .join("[^\\n]*");
}
