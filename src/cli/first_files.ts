import { LIBRARY, libraryImports } from "./pipeline_imports.ts";

/** The first files of a kind. */
export interface FirstFiles {
  /** Texts by path from the directory. */
  readonly files: Readonly<Record<string, string>>;
  /** Texts by path of files that may be there already, and stay then. */
  readonly shared?: Readonly<Record<string, string>>;
  /** Command that runs what was written. */
  readonly next: string;
  /** What else there is to do, if anything. */
  readonly notes?: readonly string[];
}

/** Creates the first files of each kind. */
export const FIRST_FILES: Readonly<
  Record<string, (cwd: string) => Promise<FirstFiles>>
> = { job, pipeline, workflow, plugin };

async function job(): Promise<FirstFiles> {
  const { default: text } = await import("./first_files/job.yaml.txt", {
    with: { type: "text" },
  });
  const { jobFileSchema } = await import("../config/job_keys.ts");
  const schema = ".reactorcide/job.schema.json";
  return {
    files: {
      "job.yaml": text,
    },
    shared: { [schema]: `${JSON.stringify(jobFileSchema())}\n` },
    next: "runnerlib run",
  };
}

async function workflow(): Promise<FirstFiles> {
  const { default: text } = await import("./first_files/workflow.yaml.txt", {
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

async function plugin(): Promise<FirstFiles> {
  const { default: text } = await import("./first_files/plugin.ts.txt", {
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

async function pipeline(cwd: string): Promise<FirstFiles> {
  const { default: text } = await import("./first_files/pipeline.ts.txt", {
    with: { type: "text" },
  });
  const { imports: { [LIBRARY]: library }, scopes } = await libraryImports();
  const imports = { [LIBRARY]: library };
  const config = await presentConfig(cwd);
  const deno = {
    // A package.json above has modules of its own.
    nodeModulesDir: "none",
    imports,
    // What the library itself imports, if it comes from a checkout.
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
