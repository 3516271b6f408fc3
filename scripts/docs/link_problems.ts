/** Links, in text and as definitions; images count. */
const LINK = /\[[^\]]*\]\(([^)\s]+)\)/g;

/** Code blocks and inline code, which contain no links. */
const CODE = /^(`{3,}|~{3,})[\s\S]*?^\1|`[^`\n]+`/gm;

/**
 * Finds links to missing files or headings.
 *
 * Links to other hosts are not followed, because a check must not depend on them.
 *
 * @param root Directory of the repository.
 * @param pages Paths of the pages in the repository.
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
      const problem = await checkTarget(new URL(link, new URL(page, root)));
      if (problem) problems.push(`${page}: ${link}: ${problem}`);
    }
  }
  return problems;
}

/**
 * Returns the anchors of the headings of a page.
 *
 * @param text Text of the page.
 * @returns Anchors, as code hosting services generate them.
 */
export function findAnchors(text: string): Set<string> {
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

async function checkTarget(target: URL): Promise<string | undefined> {
  const anchor = decodeURIComponent(target.hash.slice(1));
  const file = new URL(target);
  file.hash = "";
  try {
    const { isDirectory } = await Deno.stat(file);
    if (anchor === "") return undefined;
    const text = isDirectory ? "" : await Deno.readTextFile(file);
    return findAnchors(text).has(anchor) ? undefined : "no such heading";
  } catch {
    // A page that cannot be read counts as missing.
    return "no such file";
  }
}
