import { bundle, deno } from "./bundle.ts";

/** Comment in the bundle with the path of the file from which the next lines come. */
const ORIGIN =
  /^( *\/\/ )\S*?\/npm\/[^/]+\/((?:@[^/\s]+\/)?[^/\s]+)\/([^/\s]+)(\S*)$/gm;

/** The same as the name of a function that runs these lines. */
const ORIGIN_NAME =
  /"[^"\n]*?\/npm\/[^/"\n]+\/((?:@[^/"\n]+\/)?[^/"\n]+)\/([^/"\n]+)([^"\n]*)"(?=\()/g;

/** A line that names the owner of a file, and its license. */
const COPYRIGHT = /(?<=^[/* ]*)Copyright .* licen[cs]e\b.*$/gim;

/** The types and the documentation are those of the source. */
const TYPES_COMMENT = `/* @ts-self-types="./cli.ts" */\n`;

/**
 * Bundles the command line of a package into one file, so that its first run
 * needs a few requests instead of hundreds. It is not minified: what users run
 * can be read.
 *
 * @param directory Directory of the package, to which `cli.js` and `NOTICES` are
 * written: the licenses of the packages in the bundle.
 * @throws {Error} If it cannot be bundled, or a package has no license.
 */
export async function bundleCommand(directory: string): Promise<void> {
  const file = `${directory}/cli.js`;
  await bundle(directory, { args: ["--output", file], output: file });
  const code = await Deno.readTextFile(file);
  const files = Map.groupBy(
    code.matchAll(ORIGIN).map(([, , name, version, path]) => ({
      name: `${name}@${version}`,
      path: `${name}/${version}${path}`,
    })),
    ({ name }) => name,
  );
  const { npmCache } = JSON.parse(
    await deno(["info", "--json", "--no-config"], { cwd: directory }),
  );
  const notices: string[] = [];
  for (const [name, parts] of [...files].sort(([a], [b]) => a < b ? -1 : 1)) {
    const paths = parts.map(({ path }) => path);
    notices.push(`${name}\n\n${await readNotice(npmCache, paths)}`);
  }
  await Deno.writeTextFile(
    `${directory}/NOTICES`,
    `cli.js contains these packages.\n\n${notices.join("\n\n")}\n`,
  );
  const withNpmSpecifiers = code.replace(ORIGIN, "$1npm:$2@$3$4")
    .replace(ORIGIN_NAME, '"npm:$1@$2$3"');
  await Deno.writeTextFile(file, TYPES_COMMENT + withNpmSpecifiers);
}

/**
 * Reads the license of a package from the cache of one of the registries or,
 * if the package has no such file, the copyright lines of its files.
 */
async function readNotice(
  cache: string,
  paths: readonly string[],
): Promise<string> {
  const [root] = /^(?:@[^/]+\/)?[^/]+\/[^/]+/.exec(paths[0])!;
  for await (const { name: registry } of Deno.readDir(cache)) {
    const directory = `${cache}/${registry}`;
    for await (const file of listFiles(`${directory}/${root}`)) {
      if (!/^licen[cs]e/i.test(file)) continue;
      return (await Deno.readTextFile(`${directory}/${root}/${file}`)).trim();
    }
    const lines = new Set<string>();
    for (const path of paths) {
      const text = await Deno.readTextFile(`${directory}/${path}`)
        .catch(() => "");
      for (const [line] of text.matchAll(COPYRIGHT)) lines.add(line.trim());
    }
    if (lines.size > 0) return [...lines].join("\n");
  }
  throw new Error(`No license of "${root}" was found`);
}

async function* listFiles(directory: string): AsyncGenerator<string> {
  try {
    for await (const { name, isFile } of Deno.readDir(directory)) {
      if (isFile) yield name;
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
