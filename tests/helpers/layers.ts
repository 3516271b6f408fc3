/** A file of the package and its imports, from `deno info --json`. */
export interface SourceFile {
  /** Path from the root of the repository, such as `src/steps/step.ts`. */
  path: string;
  /** Imports of the file. */
  imports: readonly Import[];
  /** Text of the file. */
  text: string;
}

/** One import of a file. */
export interface Import {
  /** Path from the root of the repository, or the specifier of a package. */
  target: string;
  /** Whether the module is imported dynamically. */
  dynamic: boolean;
  /** Whether only types are imported. */
  typeOnly?: boolean;
}

/**
 * Floor of each folder under `src/`; a file directly in `src/` has floor 0. The
 * tables of options and variables lie below all of them.
 */
const FLOORS: Readonly<Record<string, number>> = {
  cli: 9,
  workflow: 8,
  testing: 8,
  runner: 7,
  artifacts: 6,
  steps: 6,
  triggers: 6,
  source: 6,
  state: 6,
  plugins: 6,
  report: 6,
  cache: 5,
  container: 5,
  output: 5,
  coordinator: 5,
  archive: 4,
  secrets: 3,
  config: 3,
  workspace: 3,
  fs: 2,
  process: 1,
  terminal: 1,
  environment: -1,
  options: -2,
  schema: 1,
};

/** The entry points, and the highest floor that each may import. */
const ENTRY_POINTS: Readonly<Record<string, number>> = {
  "mod.ts": 8,
  "plugins.ts": 6,
  "cli.ts": 9,
  "testing.ts": 8,
};

const MAX_LINES = 600;

/** Tables of data or types, which may be longer. */
const TABLES: readonly string[] = [
  "src/environment/variables.ts",
  "src/options/options.ts",
  "src/config/job_options.ts",
];

/**
 * Kinds of access to the platform, and the only places where they are allowed.
 */
const PLATFORM_RULES: readonly PlatformRule[] = [
  {
    what: "starts or signals a process",
    pattern: /\bDeno\.(Command|kill|spawn\w*)\b/,
    places: ["src/process/"],
  },
  {
    what: "accesses the process of the runner",
    pattern:
      /\bDeno\.(env|cwd|chdir|std(in|out|err)|consoleSize|(add|remove)SignalListener)\b/,
    places: ["src/host.ts"],
  },
  {
    what: "reads the arguments or ends the process",
    pattern: /\bDeno\.(args|exit|exitCode)\b/,
    places: ["cli.ts"],
  },
  {
    what: "uses Deno other than as `Deno.name`",
    pattern: /\bDeno\b(?!\s*\.)|\bglobalThis\.(Deno|process)\b/,
    places: [],
  },
  {
    what: "writes to the console",
    pattern: /\bconsole\s*\./,
    // Without permissions, creating the host fails, so it cannot write the error.
    places: ["cli.ts"],
  },
  {
    what: "uses the network",
    pattern: /(?<![.\w])fetch\s*\(|\bglobalThis\.fetch\b/,
    places: [
      "src/report/collector.ts",
      "src/coordinator/",
      "src/cache/http_store.ts",
      "src/source/",
      "src/plugins/",
      "src/workflow/kubernetes/cluster_transport.ts",
    ],
  },
];

/**
 * Names of variables, and environments of programs, are defined in one folder.
 */
const ENVIRONMENT_RULES: readonly PlatformRule[] = [
  {
    what: "names a variable that Variable has",
    pattern: /\b(?:REACTORCIDE|RC_WF)_(?=[A-Z"'`$])\w*/,
    places: ["src/environment/", "src/options/"],
  },
  {
    what: "starts a program that inherits nothing",
    pattern: /\bfixedEnvironment\(/,
    places: [
      "src/environment/",
      "src/container/engine.ts",
    ],
  },
  {
    what: "mixes all that the runner inherits into another environment",
    pattern: /\.\.\.\s*[\w.]*\bhost\.env\b/,
    // It adds to what a pipeline may inherit, which is filtered then.
    places: ["src/cli/commands/exec.ts"],
  },
  {
    what: "makes an environment beside childEnvironment()",
    pattern: /\bas\s+(?:unknown\s+as\s+)?(?:Child|typeof\s+\w*[eE]nv)\w*/,
    places: ["src/environment/"],
  },
];

interface PlatformRule {
  what: string;
  pattern: RegExp;
  places: readonly string[];
}

/**
 * Finds imports and platform access that break the rules.
 *
 * @param files All files under `src/`, and the entry points.
 * @returns One line per violation.
 */
export function findLayerProblems(files: readonly SourceFile[]): string[] {
  return [
    ...files.flatMap((file) => [
      ...findImportProblems(file),
      ...findPlatformProblems(file),
      ...findEnvironmentProblems(file),
      ...findSizeProblems(file),
    ]),
    ...findDuplicateNames(files),
    ...findCycle(files),
    ...findNeedlessLateImports(files),
  ];
}

/** Finds late imports of modules that the file also loads statically, directly or not. */
function findNeedlessLateImports(files: readonly SourceFile[]): string[] {
  const imports = new Map(files.map((file) => [file.path, file.imports]));
  return files.flatMap(({ path, imports: own }) => {
    const late = own.filter(({ dynamic }) => dynamic);
    if (late.length === 0) return [];
    const loaded = new Set([path]);
    for (const module of loaded) {
      for (const { target, dynamic, typeOnly } of imports.get(module) ?? []) {
        if (!dynamic && !typeOnly) loaded.add(target);
      }
    }
    return late.filter(({ target }) => loaded.has(target))
      .map(({ target }) => `${path}: delays ${target}, which is loaded anyway`);
  });
}

/** Finds names of files and of exports that two files use. */
function findDuplicateNames(files: readonly SourceFile[]): string[] {
  const places = new Map<string, string>();
  const problems: string[] = [];
  for (const { path, text } of files) {
    if (!path.startsWith("src/")) continue;
    const exports = [...text.matchAll(EXPORT)].flatMap((
      [, name, names = name],
    ) => names.split(/,\s*/).filter(Boolean));
    for (const name of [path.replace(/.*\//, ""), ...new Set(exports)]) {
      const other = places.get(name);
      if (other === undefined) places.set(name, path);
      else problems.push(`${path}: ${name} is also a name in ${other}`);
    }
  }
  return problems;
}

/**
 * Returns a cycle of files that import one another, including types, if there
 * is one.
 */
function findCycle(files: readonly SourceFile[]): string[] {
  const open = new Map(
    files.map(({ path, imports }) => [
      path,
      new Set(imports.map(({ target }) => target)),
    ]),
  );
  for (let count = -1; count !== open.size;) {
    count = open.size;
    for (const [path, targets] of open) {
      if (![...targets].some((target) => open.has(target))) open.delete(path);
    }
  }
  const [start] = open.keys();
  if (start === undefined) return [];
  const visited: string[] = [];
  for (let at = start; !visited.includes(at);) {
    visited.push(at);
    at = [...open.get(at)!].find((target) => open.has(target))!;
    if (visited.includes(at)) {
      const cycle = [...visited.slice(visited.indexOf(at)), at];
      return [`${cycle.join(" imports ")}`];
    }
  }
  return [];
}

function findImportProblems(file: SourceFile): string[] {
  const from = findFloor(file.path);
  if (from === undefined) return [`${file.path}: has no floor`];
  return file.imports.flatMap(({ target, dynamic }) => {
    if (target.startsWith("node:")) {
      return dynamic ? [] : [`${file.path}: imports ${target} statically`];
    }
    if (isPackage(target) || isInSameFolder(file.path, target)) return [];
    const to = findFloor(target);
    return to !== undefined && to < from && !(target in ENTRY_POINTS)
      ? []
      : [`${file.path}: may not import ${target}`];
  });
}

function findPlatformProblems(file: SourceFile): string[] {
  return findBrokenRules(
    PLATFORM_RULES,
    file.path,
    removeTextAndComments(file.text),
  );
}

function findEnvironmentProblems(file: SourceFile): string[] {
  return findBrokenRules(
    ENVIRONMENT_RULES,
    file.path,
    removeComments(file.text),
  );
}

function findBrokenRules(
  rules: readonly PlatformRule[],
  path: string,
  code: string,
): string[] {
  return rules
    .filter(({ places }) => !places.some((place) => path.startsWith(place)))
    .flatMap(({ what, pattern }) => {
      const found = code.match(pattern)?.[0];
      return found === undefined ? [] : [`${path}: ${what} (${found})`];
    });
}

function findSizeProblems({ path, text }: SourceFile): string[] {
  const count = text.split("\n").length - 1;
  return count > MAX_LINES && !TABLES.includes(path)
    ? [`${path}: has ${count} lines`]
    : [];
}

/**
 * Finds the floor of a file. Entry points are half a floor above the highest
 * floor that they may import, and all files may import the package's own
 * description, such as its version.
 */
function findFloor(path: string): number | undefined {
  if (path === "deno.json") return -1;
  const entryPoint = ENTRY_POINTS[path];
  if (entryPoint !== undefined) return entryPoint + 0.5;
  const [, folder, rest] = path.match(/^src\/([^/]+)(\/.+)?$/) ?? [];
  if (folder === undefined) return undefined;
  return rest === undefined ? 0 : FLOORS[folder];
}

function isInSameFolder(path: string, target: string): boolean {
  return path.startsWith("src/") && getFolder(path) === getFolder(target);
}

function getFolder(path: string): string {
  return path.split("/").slice(0, -1).slice(0, 2).join("/");
}

function isPackage(target: string): boolean {
  return /^(npm|jsr):/.test(target) || target.startsWith("links/");
}

/** An exported declaration: of one name, or of the names in a list. */
const EXPORT =
  /^export (?:abstract )?(?:async )?(?:function\*?|const|class|interface|type) (?:(\w+)|\[([^\]]+)\])/gm;

/** Strings and comments, distinguished by their first character. */
const TEXT_OR_COMMENT =
  /`(?:\\.|[^`\\])*`|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\/\*[\s\S]*?\*\/|\/\/.*/g;

/**
 * Removes strings and comments, but not template literals, which may contain
 * code.
 */
function removeTextAndComments(text: string): string {
  return text.replace(
    TEXT_OR_COMMENT,
    (part) => part.startsWith("`") ? part : '""',
  );
}

function removeComments(text: string): string {
  return text.replace(
    TEXT_OR_COMMENT,
    (part) => part.startsWith("/") ? "" : part,
  );
}
