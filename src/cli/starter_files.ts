import { LIBRARY, libraryImports } from "./pipeline_imports.ts";

/** Files that `init` writes for one kind of project. */
export interface StarterFiles {
  /** Contents of new files by relative path. */
  readonly files: Readonly<Record<string, string>>;
  /** Contents by relative path of files that are kept if they exist. */
  readonly shared?: Readonly<Record<string, string>>;
  /** Command that runs the result. */
  readonly next: string;
  /** Further notes for the user. */
  readonly notes?: readonly string[];
}

/** Creates the starter files of each kind. */
export const STARTER_FILES: Readonly<
  Record<string, (cwd: string) => Promise<StarterFiles>>
> = { job, pipeline, workflow, plugin };

async function job(): Promise<StarterFiles> {
  const { default: text } = await import("./starter_files/job.yaml.txt", {
    with: { type: "text" },
  });
  const { jobFileSchema } = await import("../config/job_file_schema.ts");
  const schema = ".reactorcide/job.schema.json";
  return {
    files: {
      "job.yaml": text,
    },
    shared: { [schema]: `${JSON.stringify(jobFileSchema())}\n` },
    next: "runnerlib run",
  };
}

async function workflow(): Promise<StarterFiles> {
  const { default: text } = await import("./starter_files/workflow.yaml.txt", {
    with: { type: "text" },
  });
  const { workflowSchema } = await import(
    "../workflow/definition/json_schemas.ts"
  );
  const path = ".reactorcide/workflows/ci.yaml";
  return {
    files: {
      [path]: text,
    },
    shared: {
      ".reactorcide/workflow.schema.json": `${
        JSON.stringify(workflowSchema())
      }\n`,
    },
    next: `runnerlib workflow run ${path}`,
  };
}

async function plugin(): Promise<StarterFiles> {
  const { default: text } = await import("./starter_files/plugin.ts.txt", {
    with: { type: "text" },
  });
  return {
    files: {
      "plugins/plugin_hello.ts": text,
    },
    next:
      `runnerlib run --plugin-dir plugins --allow-plugin hello:env=GREETING --secret-env-names none -- sh -c 'echo "$GREETING"'`,
  };
}

async function pipeline(cwd: string): Promise<StarterFiles> {
  const { default: text } = await import("./starter_files/pipeline.ts.txt", {
    with: { type: "text" },
  });
  const { imports: { [LIBRARY]: library }, scopes } = await libraryImports();
  const imports = { [LIBRARY]: library };
  const config = await presentConfig(cwd);
  const deno = {
    // Ignore the node_modules of a package.json in a parent directory.
    nodeModulesDir: "none",
    imports,
    // Imports of the library itself, if it is in a checkout.
    ...Object.keys(scopes).length === 0 ? {} : { scopes },
  };
  return {
    files: {
      "pipeline.ts": text,
      ...config === undefined
        ? { "deno.json": `${JSON.stringify(deno, null, 2)}\n` }
        : {},
    },
    next: "runnerlib exec pipeline.ts",
    ...config === undefined ? {} : {
      notes: [
        `Kept ${config}; for types in the editor, add to its "imports":`,
        ...Object.entries(imports)
          .map((entry) =>
            `  ${entry.map((text) => JSON.stringify(text)).join(": ")}`
          ),
      ],
    },
  };
}

async function presentConfig(cwd: string): Promise<string | undefined> {
  for (const name of ["deno.json", "deno.jsonc"]) {
    try {
      await Deno.lstat(`${cwd}/${name}`);
      return name;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return undefined;
}
