/** Links, in text and as definitions; images count. */
const LINK = /\[[^\]]*\]\(([^)\s]+)\)/g;

/** Blocks and pieces of code, in which nothing is a link. */
const CODE = /^(`{3,}|~{3,})[\s\S]*?^\1|`[^`\n]+`/gm;

/**
 * Finds links that lead to no file, or to no heading of one.
 *
 * Links to other hosts are not followed: a gate must not depend on them.
 *
 * @param root Directory of the repository.
 * @param pages Paths of pages in it.
 * @returns Problems, one line each.
 */
export async function linkProblems(
  root: URL,
  pages: readonly string[],
): Promise<string[]> {
  const problems: string[] = [];
  for (const page of pages) {
    const text = await Deno.readTextFile(new URL(page, root));
    for (const [, link] of text.replace(CODE, "").matchAll(LINK)) {
      if (/^[a-z]+:/.test(link)) continue;
      const problem = await problemOf(new URL(link, new URL(page, root)));
      if (problem) problems.push(`${page}: ${link}: ${problem}`);
    }
  }
  return problems;
}

/**
 * Gives the anchors of a page's headings.
 *
 * @param text Text of the page.
 * @returns Anchors, as hosts of repositories make them.
 */
export function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>();
  const counts = new Map<string, number>();
  for (
    const [, heading] of text.replace(/^```[\s\S]*?^```/gm, "").matchAll(
      /^#{1,6} +(.+?) *$/gm,
    )
  ) {
    const anchor = heading.toLowerCase().replace(/[^\p{L}\p{N}_\- ]/gu, "")
      .replaceAll(" ", "-");
    const count = counts.get(anchor) ?? 0;
    counts.set(anchor, count + 1);
    anchors.add(count === 0 ? anchor : `${anchor}-${count}`);
  }
  return anchors;
}

async function problemOf(target: URL): Promise<string | undefined> {
  const anchor = decodeURIComponent(target.hash.slice(1));
  const file = new URL(target);
  file.hash = "";
  try {
    const { isDirectory } = await Deno.stat(file);
    if (anchor === "") return undefined;
    const text = isDirectory ? "" : await Deno.readTextFile(file);
    return anchorsOf(text).has(anchor) ? undefined : "no such heading";
  } catch {
    // Whatever keeps it from being read keeps it from being a page.
    return "no such file";
  }
}
