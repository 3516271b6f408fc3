/**
 * Lets a pipeline import the library and std from any directory.
 *
 * Deno reads the imports of a file from the nearest `deno.json` or
 * `package.json`. If that file does not map the library, the pipeline gets an
 * import map with the user's imports, which take precedence, and the imports of
 * the library, from the same location as the runner itself.
 *
 * @module
 */
import { dirname } from "@std/path/posix/dirname";
import { RunnerError } from "../errors.ts";
import { pathExists } from "../fs/files.ts";
import { isObject } from "../json_value.ts";
import { isInside } from "../job_path.ts";
import { VERSION } from "../package_version.ts";

/** Specifier of the library in pipelines. */
export const LIBRARY = "@reactorcide/runnerlib";

/** Specifier of its types for plugins. */
const PLUGIN_TYPES = `${LIBRARY}/plugins`;

/** Packages of std that pipelines can import, with their versions. */
const STD = ["assert", "cli", "path", "streams", "testing", "yaml"];

/** Targets of imports by specifier. */
type Imports = Record<string, string>;

/** An import map with absolute URLs. */
export interface ImportMap {
  readonly imports: Imports;
  readonly scopes: Readonly<Record<string, Imports>>;
}

/** Options for {@linkcode pipelineImports}. */
export interface PipelineImportsOptions {
  /** Absolute path of a directory for files that Deno reads. */
  directory: string;
  /**
   * Absolute paths of root directories. If the pipeline is in one of them, no
   * configuration above it is read.
   */
  roots: readonly string[];
}

/**
 * Returns the options of `deno run` that let a pipeline import the library.
 *
 * @param pipeline Absolute path of the pipeline.
 * @returns Options; none if the nearest configuration maps the library.
 * @throws {RunnerError} `invalid-config` if that configuration is not JSON.
 */
export async function pipelineImports(
  pipeline: string,
  { directory, roots }: PipelineImportsOptions,
): Promise<string[]> {
  const root = roots.find((root) => isInside(root, pipeline)) ?? "/";
  const nearest = await findConfiguration(dirname(pipeline), root);
  if (nearest.isMapped) return [];
  const own = await libraryImports();
  const map: ImportMap = {
    imports: { ...own.imports, ...nearest.imports },
    scopes: { ...nearest.scopes, ...own.scopes },
  };
  const file = `${directory}/import_map.json`;
  await Deno.writeTextFile(file, JSON.stringify(map));
  return [
    `--import-map=${file}`,
    ...nearest.exists ? [] : ["--no-config"],
    ...nearest.hasPackage && await needsOwnModules(pipeline, nearest)
      ? ["--node-modules-dir=none"]
      : [],
    // The lock file of the user's project must not change.
    ...await createLockOption(nearest, directory),
  ];
}

/** Nearest configuration of a pipeline. */
interface Configuration extends ImportMap {
  /** Whether there is a configuration. */
  readonly exists: boolean;
  /** Its directory, or the root if there is none. */
  readonly directory: string;
  /** Whether it maps the library itself. */
  readonly isMapped: boolean;
  /** Whether there is a `package.json`, which makes Deno use `node_modules`. */
  readonly hasPackage: boolean;
}

async function findConfiguration(
  start: string,
  root: string,
): Promise<Configuration> {
  let found: Configuration | undefined;
  for (let directory = start;; directory = dirname(directory)) {
    const here = await readDirectory(directory);
    if (here?.isWorkspace) return found ? addRootImports(here, found) : here;
    found ??= here;
    if (directory === root || directory === "/") break;
  }
  return found ?? {
    exists: false,
    directory: root,
    imports: {},
    scopes: {},
    isMapped: false,
    hasPackage: false,
  };
}

/** Adds the imports of a workspace root, which apply to its members. */
function addRootImports(
  root: Configuration,
  member: Configuration,
): Configuration {
  return {
    ...member,
    imports: { ...root.imports, ...member.imports },
    scopes: { ...root.scopes, ...member.scopes },
    isMapped: member.isMapped || root.isMapped,
  };
}

async function readDirectory(
  directory: string,
): Promise<(Configuration & { isWorkspace: boolean }) | undefined> {
  const own = await readJson(`${directory}/deno.json`) ??
    await readJson(`${directory}/deno.jsonc`);
  const npm = await readJson(`${directory}/package.json`);
  if (own === undefined && npm === undefined) return undefined;
  const { importMap } = own ?? {};
  const isInline = own?.imports !== undefined || own?.scopes !== undefined;
  const mapFile = !isInline && typeof importMap === "string"
    ? `${directory}/${importMap}`
    : undefined;
  // A remote import map cannot be merged, so it must map everything itself.
  const isRemote = mapFile !== undefined && /^\w+:/.test(String(importMap));
  const source = mapFile === undefined ? own : await readJson(mapFile);
  const base = mapFile ?? `${directory}/deno.json`;
  const imports = resolveImports(source?.imports, base);
  const scopes = isObject(source?.scopes)
    ? Object.entries(source.scopes).map(([scope, values]) =>
      [resolveAddress(scope, base), resolveImports(values, base)] as const
    )
    : [];
  const dependencies = ["dependencies", "devDependencies"]
    .map((key) => npm?.[key]);
  return {
    exists: true,
    directory,
    imports,
    scopes: Object.fromEntries(scopes),
    isMapped: isRemote || Object.hasOwn(imports, LIBRARY) ||
      dependencies.some((one) => isObject(one) && Object.hasOwn(one, LIBRARY)),
    hasPackage: npm !== undefined,
    isWorkspace: own?.workspace !== undefined || npm?.workspaces !== undefined,
  };
}

/** Resolves imports; `jsr:` and `npm:` packages also map their subpaths. */
function resolveImports(values: unknown, base: string): Imports {
  const imports: Imports = {};
  if (!isObject(values)) return imports;
  for (const [name, value] of Object.entries(values)) {
    if (typeof value !== "string") continue;
    imports[name] = resolveAddress(value, base);
    const [, scheme, rest] = /^(jsr|npm):\/?(.+[^/])$/.exec(value) ?? [];
    if (scheme === undefined || name.endsWith("/")) continue;
    imports[`${name}/`] ??= `${scheme}:/${rest}/`;
  }
  return imports;
}

function resolveAddress(value: string, base: string): string {
  return /^\.{0,2}\//.test(value)
    ? new URL(value, `file://${encodeURI(base)}`).href
    : value;
}

/** Returns the imports of the library and std for this version of the runner. */
export async function libraryImports(): Promise<ImportMap> {
  const root = await findSources();
  const std = Object.fromEntries(
    STD.flatMap((name) => [
      [`@std/${name}`, `jsr:@std/${name}@^1.0.0`],
      [`@std/${name}/`, `jsr:/@std/${name}@^1.0.0/`],
    ]),
  );
  if (root === undefined) {
    const library = `jsr:@reactorcide/runnerlib@${VERSION}`;
    const plugins = library + "/plugins";
    return {
      imports: { [LIBRARY]: library, [PLUGIN_TYPES]: plugins, ...std },
      scopes: {},
    };
  }
  const config = await readJson(`${root}/deno.json`);
  const links: Imports = {};
  for (const name of STD) {
    const link = await readJson(`${root}/links/${name}/deno.json`);
    if (!isObject(link?.exports)) continue;
    for (const [key, file] of Object.entries(link.exports)) {
      const specifier = `@std/${name}${key.slice(1)}`;
      links[specifier] = resolveAddress(
        String(file),
        `${root}/links/${name}/deno.json`,
      );
    }
  }
  const imports = resolveImports(config?.imports, `${root}/deno.json`);
  // Other versions may not be cached, and cannot be fetched without a network.
  const { specifiers } = await readJson(`${root}/deno.lock`) ?? {};
  for (const [name, value] of Object.entries(imports)) {
    const version = isObject(specifiers) ? specifiers[value] : undefined;
    if (!value.startsWith("npm:") || typeof version !== "string") continue;
    const [exact] = version.split("_");
    imports[name] = `${value.slice(0, value.lastIndexOf("@"))}@${exact}`;
  }
  const library = {
    [LIBRARY]: resolveAddress("./mod.ts", `${root}/deno.json`),
    [PLUGIN_TYPES]: resolveAddress("./plugins.ts", `${root}/deno.json`),
  };
  return {
    imports: { ...library, ...std, ...links },
    // The library keeps its own imports, even if the user maps the same names.
    scopes: {
      [resolveAddress("./", `${root}/deno.json`)]: { ...imports, ...links },
    },
  };
}

/**
 * Finds the sources of the library: the running ones or, next to a compiled or
 * bundled runner, those that are provided for pipelines.
 */
async function findSources(): Promise<string | undefined> {
  const start = Deno.build.standalone ? Deno.execPath() : import.meta.filename;
  if (start === undefined) return undefined;
  for (
    let directory = dirname(start);
    directory !== "/";
    directory = dirname(directory)
  ) {
    const config = await readJson(`${directory}/deno.json`)
      .catch(() => undefined);
    if (config?.name === LIBRARY) return directory;
  }
  return undefined;
}

/**
 * Checks whether `node_modules` must not be used. With a `package.json`, Deno
 * loads npm packages only from there, where those of the library are missing. A
 * pipeline that does not use the library keeps using it.
 */
async function needsOwnModules(
  pipeline: string,
  { directory }: Configuration,
): Promise<boolean> {
  const text = await Deno.readTextFile(pipeline);
  if (text.includes(LIBRARY) || text.includes("@std/")) return true;
  return !await pathExists(`${directory}/node_modules`);
}

async function createLockOption(
  configuration: Configuration,
  directory: string,
): Promise<string[]> {
  const lock = `${configuration.directory}/deno.lock`;
  if (!await pathExists(lock)) return ["--no-lock"];
  await Deno.copyFile(lock, `${directory}/deno.lock`);
  return [`--lock=${directory}/deno.lock`];
}

/** Reads JSON with comments and trailing commas, as Deno does. */
async function readJson(
  path: string,
): Promise<Record<string, unknown> | undefined> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    if (error instanceof Deno.errors.NotADirectory) return undefined;
    throw error;
  }
  try {
    const value = JSON.parse(removeComments(text));
    return isObject(value) ? value : {};
  } catch (cause) {
    throw new RunnerError(`Cannot read "${path}": it is not valid JSON`, {
      code: "invalid-config",
      cause,
    });
  }
}

function removeComments(text: string): string {
  const string = `"(?:\\\\.|[^"\\\\])*"`;
  const comments = new RegExp(`(${string})|//[^\n]*|/\\*[^]*?\\*/`, "g");
  const commas = new RegExp(`(${string})|,(?=\\s*[}\\]])`, "g");
  return text.replace(/^\uFEFF/, "").replace(comments, "$1")
    .replace(commas, "$1");
}
