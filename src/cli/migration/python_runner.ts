/**
 * Finds what a script or a Python program uses of the former Python runner: its
 * programs and packages, and names of `runnerlib` that the package lacks.
 *
 * @module
 */

import { PYTHON_PACKAGE } from "../../plugins/python/python_command.ts";
import { createLineCounter } from "./shell_commands.ts";

/** A use of a name that the package does not have. */
export interface MissingName {
  /** Qualified name, such as `runnerlib.config.RunnerConfig`. */
  readonly name: string;
  /** Number of the line, from 1. */
  readonly line: number;
}

/** An imported module and its line. */
export interface ImportedModule {
  /** Full name of the module. */
  readonly name: string;
  /** Number of the line, from 1. */
  readonly line: number;
}

interface Import extends ImportedModule {
  /** Names imported from the module; empty for `import MODULE`. */
  readonly names: readonly string[];
  /** Local name of the module. */
  readonly alias?: string;
}

const IMPORT =
  /^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]+(\([^)]*\)|[^\n#;]*)|import[ \t]+([^\n#;]*))/gm;

/**
 * Finds names that a program imports from `runnerlib`, or from its old name
 * `src`, but that the package does not export.
 *
 * @param source Source code of the program.
 */
export function findMissingNames(source: string): MissingName[] {
  const missing: MissingName[] = [];
  const code = blankTexts(source);
  for (const { name, names, line, alias } of findImports(code)) {
    const [root] = name.split(".");
    if (root !== "runnerlib" && root !== "src") continue;
    const module = `runnerlib${name.slice(root.length)}`;
    const exported = findExports(module);
    if (exported === undefined) {
      missing.push({ name, line });
      continue;
    }
    for (const used of names) {
      if (used === "*" || exported.has(used)) continue;
      if (PYTHON_PACKAGE[`${module}.${used}`] !== undefined) continue;
      missing.push({ name: `${name}.${used}`, line });
    }
    if (alias !== undefined) {
      missing.push(...findMissingAttributes(code, alias, module, exported));
    }
  }
  const unique = new Map(
    missing.map((use) => [`${use.line} ${use.name}`, use]),
  );
  return [...unique.values()].sort((a, b) => a.line - b.line);
}

/**
 * Finds imports of `src`, the package name of the Python runner.
 *
 * @param source Source code of the program.
 * @returns Full names of modules, such as `src.workflow`.
 */
export function findOldNames(source: string): ImportedModule[] {
  return findImports(blankTexts(source))
    .filter(({ name }) => name.startsWith("src."))
    .map(({ name, line }) => ({ name, line }));
}

/**
 * Finds the first call of any of the given functions.
 *
 * @param source Source code of the program.
 */
export function findFirstCall(
  source: string,
  names: readonly string[],
): ImportedModule | undefined {
  const code = blankTexts(source);
  const pattern = new RegExp(`(?<!def )\\b(${names.join("|")})\\s*\\(`);
  const match = pattern.exec(code);
  return match === null
    ? undefined
    : { name: match[1], line: createLineCounter(code)(match.index) };
}

/**
 * Finds the members of `PluginPhase` that a plugin uses.
 *
 * @param source Source code of the plugin.
 */
export function findPhases(source: string): string[] {
  const code = blankTexts(source);
  const found = [...code.matchAll(/\bPluginPhase\.([A-Z_]+)\b/g)];
  return [...new Set(found.map(([, name]) => name))].sort();
}

/**
 * Finds the top-level modules that a program imports.
 *
 * @param source Source code of the program.
 */
export function findImportedModules(source: string): ImportedModule[] {
  return findImports(blankTexts(source))
    .map(({ name, line }) => ({ name: name.split(".")[0], line }));
}

function findMissingAttributes(
  code: string,
  alias: string,
  module: string,
  exported: ReadonlySet<string>,
): MissingName[] {
  const pattern = new RegExp(
    `(?<![\\w.])${alias.replaceAll(".", "\\.")}\\.([A-Za-z_]\\w*)`,
    "g",
  );
  const lineAt = createLineCounter(code);
  return [...code.matchAll(pattern)].flatMap((match) => {
    const [, name] = match;
    const isThere = exported.has(name) ||
      PYTHON_PACKAGE[`${module}.${name}`] !== undefined;
    return isThere
      ? []
      : [{ name: `${alias}.${name}`, line: lineAt(match.index) }];
  });
}

/** Returns the exports of a module; `undefined` if it does not exist. */
function findExports(module: string): ReadonlySet<string> | undefined {
  if (!Object.hasOwn(PYTHON_PACKAGE, module)) return undefined;
  const code = blankTexts(PYTHON_PACKAGE[module]);
  const names = new Set(["__doc__", "__file__", "__name__"]);
  for (const [, kind] of code.matchAll(/^(?:async def|def|class) (\w+)/gm)) {
    names.add(kind);
  }
  for (const [, name] of code.matchAll(/^(\w+)(?::[^=\n]+)? = /gm)) {
    names.add(name);
  }
  for (const { names: imported, name, alias } of findImports(code)) {
    for (const one of imported) names.add(one);
    if (imported.length === 0) names.add(alias ?? name);
  }
  return names;
}

function findImports(code: string): Import[] {
  const found: Import[] = [];
  const lineAt = createLineCounter(code);
  for (const match of code.matchAll(IMPORT)) {
    const [all, from, list, plain] = match;
    const line = lineAt(match.index + all.search(/\S/));
    if (from !== undefined) {
      const names = list.replace(/[()\\]/g, " ").replace(/#[^\n]*/g, "")
        .split(",").map((part) => part.trim().split(/\s+/)[0]).filter(Boolean);
      found.push({ name: from, names, line });
      continue;
    }
    for (const part of plain.split(",")) {
      const [name, , alias] = part.trim().split(/\s+/);
      if (!/^[\w.]+$/.test(name)) continue;
      found.push({ name, names: [], line, alias: alias ?? name });
    }
  }
  return found;
}

/** Blanks out comments and strings without changing line numbers. */
function blankTexts(source: string): string {
  return source.replace(
    /"""[\s\S]*?(?:"""|$)|'''[\s\S]*?(?:'''|$)|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?|#[^\n]*/g,
    (text) => text.replace(/[^\n]/g, " "),
  );
}

/** Programs of the Python runner's image that are not in the default image. */
const OLD_PROGRAMS: Readonly<Record<string, string>> = {
  ...mapPrograms("docker build --target full .", [
    ...["ar", "as", "c++", "cc", "cpp", "g++", "gcc", "ld", "make", "nm"],
    ...["objdump", "patch", "ranlib", "strip", "dpkg-buildpackage"],
    ...["pkg-config", "curl", "sudo", "rsync", "podman", "fuse-overlayfs"],
    ...["newuidmap", "newgidmap", "go", "gofmt", "cargo", "rustc", "rustdoc"],
  ]),
  ...mapPrograms("docker build --target python .", [
    "pip",
    "pip3",
    "python",
    "python3",
  ]),
  ...mapPrograms("pipx install uv  # in the target full", ["uv", "uvx"]),
  ...mapPrograms("an image of your own, FROM the target full", [
    "rustup",
    "webi",
  ]),
};

/** Python packages that the Python runner included, by module. */
const OLD_PACKAGES: Readonly<Record<string, string>> = {
  click: "click",
  cryptography: "cryptography",
  git: "GitPython",
  gitdb: "gitdb",
  markdown_it: "markdown-it-py",
  pygments: "Pygments",
  rich: "rich",
  shellingham: "shellingham",
  smmap: "smmap",
  typer: "typer",
  yaml: "PyYAML",
};

/** Names of the Python runner's images. */
const OLD_IMAGE = /(?:^|\/)(?:runnerbase|reactorcide_runner)(?:[:@].*)?$/;

/**
 * Returns the command that adds a program of the old image to the new one.
 *
 * @returns The command; `undefined` if the program was not in the old image, or
 * is in the default image.
 */
export function findProgramFix(program: string): string | undefined {
  return Object.hasOwn(OLD_PROGRAMS, program)
    ? OLD_PROGRAMS[program]
    : undefined;
}

/**
 * Returns the Python package of a module that the Python runner included.
 *
 * @returns Name of the package for pip; `undefined` for any other module.
 */
export function findOldPackage(module: string): string | undefined {
  return Object.hasOwn(OLD_PACKAGES, module) ? OLD_PACKAGES[module] : undefined;
}

/**
 * Checks whether a job runs in the image of the Python runner.
 *
 * @param image Image of the job; by default, that of the deployment.
 */
export function isOldImage(image: string | undefined): boolean {
  return image === undefined || image === "" || OLD_IMAGE.test(image);
}

function mapPrograms(
  fix: string,
  programs: readonly string[],
): Record<string, string> {
  return Object.fromEntries(programs.map((program) => [program, fix]));
}
