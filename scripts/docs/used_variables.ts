const SOURCES = new URL("../../src/", import.meta.url);

/** Names of variables that are the runner's own, whole and no prefix. */
const VARIABLE =
  /\b(?:REACTORCIDE_[A-Z_]*[A-Z]|RC_WF_[A-Z_]*[A-Z]|LOG_(?:FORMAT|LEVEL)|NO_COLOR|FORCE_COLOR|TRACEPARENT)\b/g;

/**
 * Finds the variables of which the code speaks.
 *
 * @returns Names, sorted.
 */
export async function usedVariables(): Promise<string[]> {
  const names = new Set<string>();
  for await (const text of texts(SOURCES)) {
    for (const [name] of text.matchAll(VARIABLE)) names.add(name);
  }
  return [...names].sort();
}

async function* texts(directory: URL): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    if (isDirectory) yield* texts(new URL(`${name}/`, directory));
    else yield await Deno.readTextFile(new URL(name, directory));
  }
}
