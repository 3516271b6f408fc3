const SOURCES = new URL("../../src/", import.meta.url);

/** Complete names of the runner's own variables, without prefixes of names. */
const VARIABLE =
  /\b(?:REACTORCIDE_[A-Z_]*[A-Z]|RC_WF_[A-Z_]*[A-Z]|LOG_(?:FORMAT|LEVEL)|NO_COLOR|FORCE_COLOR|TRACEPARENT)\b/g;

/**
 * Finds the variables that the source code mentions.
 *
 * @returns Names, sorted.
 */
export async function usedVariables(): Promise<string[]> {
  const names = new Set<string>();
  for await (const text of readSources(SOURCES)) {
    for (const [name] of text.matchAll(VARIABLE)) names.add(name);
  }
  return [...names].sort();
}

async function* readSources(directory: URL): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    if (isDirectory) yield* readSources(new URL(`${name}/`, directory));
    else yield await Deno.readTextFile(new URL(name, directory));
  }
}
