/**
 * Bundles the package in the current directory for the image: into `cli.js`, which
 * is the program, and a few other files.
 *
 * 1. `deno bundle` writes a file for each set of modules that are loaded
 *    together.
 * 2. A few jobs run, to find out which of these files and functions they use.
 * 3. The files that these jobs use are joined, because loading each file takes
 *    time. Others stay separate, so that no run reads code that it does not need.
 * 4. The functions that these jobs call are wrapped so that V8 compiles them when
 *    it loads the file, and keeps them in its code cache. Otherwise, V8 compiles
 *    them in each run, on their first call.
 * 5. Files that only export parts of another one are removed.
 * 6. Characters that are not ASCII are escaped. With a single one above U+00FF,
 *    V8 keeps the whole file with two bytes for each character.
 *
 * `PACKAGE_DENO_DIR` is the Deno cache with the dependencies of the package, if it
 * is not that of this program.
 *
 * usage: bundle.ts DIRECTORY
 *
 * @module
 */
import { bundle, deno } from "../scripts/bundle.ts";

/**
 * Not a literal in the import, which would make the bundler a part of the package
 * and of compiled programs. `bundle.lock` has the hashes of its files.
 */
const BUNDLER = "npm:rolldown@1.3.3";

/** Jobs whose files are joined; each file belongs to the first job that reads it. */
const JOBS = {
  run: ["run", "--", "true"],
  steps: ["run", "--job-file", "steps.json"],
  cached: ["run", "--job-file", "cached.json"],
};

/** Number of runs of each job: the second one finds what the first one cached. */
const RUN_COUNT = 2;

/** Runs with a directory as the workspace, and with `/job` if it exists. */
const PLACES: readonly Record<string, string>[] = [{
  REACTORCIDE_IN_CONTAINER: "false",
}, {}];

const STEPS = {
  steps: [
    { name: "first", run: "echo first" },
    { name: "second", run: "echo second", needs: "first" },
  ],
};

const CACHED = {
  steps: [
    { name: "make", run: "echo made > input" },
    {
      name: "cached",
      run: "cp input output",
      cache: { inputs: "input", outputs: "output" },
      needs: "make",
    },
  ],
};

/**
 * A file that only exports parts of another one. The bundler writes it where a
 * joined file is imported dynamically.
 */
const FACADE = /^export\{([^{}]*)\}from"(\.\/[^"]+)";\n?$/;

/** A dynamic import of another file, as the bundler writes it. */
const DYNAMIC_IMPORT = /\bimport\(([`"])(\.\/[^`"]+)\1\)/g;

/** An import of another file, as `deno bundle` writes it. */
const STATIC_IMPORT = /^(?:import|\} from)(?: .*?)? ?"\.\/([^"]+)";$/gm;

/** A node of a syntax tree, as ESTree defines it. */
interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [property: string]: unknown;
}

/** Positions of the called functions in a file, as `START-END`. */
type Called = ReadonlySet<string>;

const [target] = Deno.args;
const cache = Deno.env.get("PACKAGE_DENO_DIR");
await bundle(Deno.cwd(), {
  args: ["--code-splitting", "--outdir", target],
  output: target,
  ...cache === undefined ? {} : { env: { DENO_DIR: cache } },
});
const directory = await Deno.realPath(target);
const program = `${directory}/cli.js`;
const called = new Map<string, Set<string>>();
const groups = [];
for (const [name, args] of Object.entries(JOBS)) {
  const files = await findFiles(args);
  // This file stays separate: it checks whether it was started or imported.
  files.delete(program);
  groups.push({ name, test: (id: string) => files.has(id) });
}
const { rolldown } = await import(BUNDLER);
const joined = await rolldown({
  input: program,
  platform: "neutral",
  external: [/^node:/],
  preserveEntrySignatures: "allow-extension",
  treeshake: false,
  checks: { bundlerTimings: false },
  plugins: [{
    name: "compile-early",
    transform(this: { parse(code: string): Node }, code: string, id: string) {
      const functions = called.get(id);
      if (functions === undefined) return;
      return { code: compileEarly(code, this.parse(code), functions) };
    },
  }],
});
const output = `${directory}.joined`;
await joined.write({
  dir: output,
  entryFileNames: "cli.js",
  chunkFileNames: "[name]-[hash].js",
  // Names of functions and classes can be part of messages.
  minify: { mangle: { keepNames: true }, compress: true, codegen: true },
  codeSplitting: {
    // A dynamic import must not load the whole group of its dependencies.
    includeDependenciesRecursively: false,
    groups: groups.map((group, index) => ({
      ...group,
      priority: groups.length - index,
    })),
  },
});
await joined.close();
const written = new Map<string, string>();
for await (const { name } of Deno.readDir(output)) {
  written.set(name, await Deno.readTextFile(`${output}/${name}`));
}
const kept = withoutFacades(written);
for (const name of written.keys()) {
  const code = kept.get(name);
  if (code === undefined) await Deno.remove(`${output}/${name}`);
  else await Deno.writeTextFile(`${output}/${name}`, toAscii(code));
}
await Deno.remove(directory, { recursive: true });
await Deno.rename(output, directory);

/** Runs a job, records the functions that it calls, and returns the files that it reads. */
async function findFiles(args: readonly string[]): Promise<Set<string>> {
  const files = new Set<string>();
  for (const env of PLACES) {
    for (const path of await runJob(args, env)) await addFile(path, files);
  }
  return files;
}

/** Adds a file and its static imports: coverage omits files without code of their own. */
async function addFile(path: string, files: Set<string>): Promise<void> {
  if (files.has(path)) return;
  files.add(path);
  const code = await Deno.readTextFile(path);
  for (const [, name] of code.matchAll(STATIC_IMPORT)) {
    await addFile(`${directory}/${name}`, files);
  }
}

/** Runs a job, and returns the files of the bundle whose code it runs. */
async function runJob(
  args: readonly string[],
  env: Record<string, string>,
): Promise<string[]> {
  const cwd = await Deno.makeTempDir();
  await Deno.writeTextFile(`${cwd}/steps.json`, JSON.stringify(STEPS));
  await Deno.writeTextFile(`${cwd}/cached.json`, JSON.stringify(CACHED));
  for (let count = 0; count < RUN_COUNT; count++) {
    await deno([
      ...["run", "--quiet", "--no-config", "--unstable-lazy-dynamic-imports"],
      ...["--coverage=coverage", "-A", program, ...args],
    ], { cwd, env: { XDG_CACHE_HOME: `${cwd}/cache`, ...env } });
  }
  const paths: string[] = [];
  for await (const { name } of Deno.readDir(`${cwd}/coverage`)) {
    if (!name.endsWith(".json")) continue;
    const text = await Deno.readTextFile(`${cwd}/coverage/${name}`);
    const { url, functions }: Coverage = JSON.parse(text);
    if (!url.startsWith(`file://${directory}/`)) continue;
    const path = new URL(url).pathname;
    paths.push(path);
    if (!called.has(path)) called.set(path, new Set());
    for (const { ranges: [{ startOffset, endOffset, count }] } of functions) {
      if (count > 0) called.get(path)!.add(`${startOffset}-${endOffset}`);
    }
  }
  await Deno.remove(cwd, { recursive: true });
  return paths;
}

/** Coverage of a file as V8 writes it; the first range is the whole function. */
interface Coverage {
  readonly url: string;
  readonly functions: readonly {
    readonly ranges: readonly {
      readonly startOffset: number;
      readonly endOffset: number;
      readonly count: number;
    }[];
  }[];
}

/**
 * Puts functions in parentheses, which makes V8 compile them early. Function
 * declarations become variables before all other code, because they can be called
 * from there.
 */
function compileEarly(code: string, tree: Node, called: Called): string {
  return rewriteBody(tree.body as Node[], tree.start, tree.end);

  /** Writes the statements of a file or of a function. */
  function rewriteBody(
    body: readonly Node[],
    start: number,
    end: number,
  ): string {
    const isMoved = (node: Node) =>
      node.type === "FunctionDeclaration" && isCalled(node);
    const moved = body.filter(isMoved).map((node) => {
      const { name } = node.id as unknown as { name: string };
      return `let ${name} = (${rewriteText(node)});\n`;
    });
    const first = body.find(({ type }) => type !== "ImportDeclaration");
    const from = first?.start ?? end;
    return rewritePart(body.filter(({ end }) => end <= from), start, from) +
      moved.join("") +
      rewritePart(
        body.filter((node) => node.start >= from),
        from,
        end,
        isMoved,
      );
  }

  function isCalled({ start, end }: Node): boolean {
    return called.has(`${start}-${end}`);
  }

  /** Returns the text between two positions, with its nodes rewritten. */
  function rewritePart(
    nodes: readonly Node[],
    start: number,
    end: number,
    isOmitted: (node: Node) => boolean = () => false,
  ): string {
    let text = "";
    let at = start;
    for (const node of nodes.toSorted((a, b) => a.start - b.start)) {
      // The key and the value of a shorthand property are the same node.
      if (node.start < at) continue;
      text += code.slice(at, node.start);
      if (!isOmitted(node)) text += rewriteNode(node);
      at = node.end;
    }
    return text + code.slice(at, end);
  }

  function rewriteNode(node: Node): string {
    // The function of a method starts at its parameters.
    const isExpression = node.type === "ArrowFunctionExpression" ||
      node.type === "FunctionExpression" && code[node.start] !== "(";
    return isExpression && isCalled(node)
      ? `(${rewriteText(node)})`
      : rewriteText(node);
  }

  function rewriteText(node: Node): string {
    const { type, start, end } = node;
    if (type === "BlockStatement") {
      return rewriteBody(node.body as Node[], start, end);
    }
    return rewritePart(Object.values(node).flat().filter(isNode), start, end);
  }
}

/**
 * Removes files that only export parts of another one, and imports that one
 * instead. Loading any file takes time, even a short one.
 */
function withoutFacades(
  files: ReadonlyMap<string, string>,
): Map<string, string> {
  const facades = new Map<string, { file: string; names: string }>();
  for (const [name, code] of files) {
    const [, names, file] = FACADE.exec(code) ?? [];
    if (names !== undefined) facades.set(`./${name}`, { file, names });
  }
  const rest = new Map<string, string>();
  for (const [name, code] of files) {
    if (facades.has(`./${name}`)) continue;
    const direct = code.replace(DYNAMIC_IMPORT, (text, _, file) => {
      const facade = facades.get(file);
      if (facade === undefined) return text;
      const names = facade.names.split(",").map((part) => {
        const [own, exported = own] = part.split(" as ");
        return `${exported}:e.${own}`;
      });
      return `import("${facade.file}").then(e=>({${names}}))`;
    });
    rest.set(name, direct);
  }
  for (const [name, code] of rest) {
    const remaining = [...facades.keys()].find((file) => code.includes(file));
    if (remaining !== undefined) {
      throw new Error(`"${name}" still imports "${remaining}"`);
    }
  }
  return rest;
}

/**
 * Escapes characters in strings, regular expressions and names.
 *
 * @throws {Error} Where an escape would have another meaning.
 */
function toAscii(code: string): string {
  if (/\.raw`[^`]*[^\0-\x7f]/.test(code)) {
    throw new Error("A raw string has characters that are not ASCII");
  }
  return code.replace(/\\[^]|[^\0-\x7f]/gu, (part) => {
    if (/^\\[\0-\x7f]/.test(part)) return part;
    if (part.startsWith("\\")) throw new Error(`Cannot escape "${part}"`);
    return part.split("").map((unit) =>
      `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`
    ).join("");
  });
}

function isNode(value: unknown): value is Node {
  return typeof (value as Node | null)?.type === "string" &&
    typeof (value as Node).start === "number";
}
