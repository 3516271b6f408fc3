import { findAction } from "../actions.ts";
import type { CliCommand } from "../command.ts";

/** Functions that load and create the schemas. */
const SCHEMAS: Readonly<Record<string, () => Promise<unknown>>> = {
  async job() {
    const { jobFileSchema } = await import(
      "../../config/job_keys.ts"
    );
    return jobFileSchema();
  },
  async workflow() {
    const { workflowSchema } = await import(
      "../../workflow/definition/json_schemas.ts"
    );
    return workflowSchema();
  },
  async run() {
    const { runEventSchema } = await import("../../report/event_schema.ts");
    return runEventSchema();
  },
  async "secret-providers"() {
    const { secretProvidersSchema } = await import(
      "../../secrets/providers/provider_definition.ts"
    );
    return secretProvidersSchema();
  },
  async trigger() {
    const { triggerSchema } = await import(
      "../../workflow/definition/json_schemas.ts"
    );
    return triggerSchema();
  },
};

export const schemaCommand: CliCommand = {
  usage: "[job|workflow|run|secret-providers|trigger]",
  description:
    `Prints the JSON Schema of job files, workflow files, the lines of run records,
files of secret providers or trigger documents, so that editors can complete and
check them.`,
  examples: [
    ["schema > job.schema.json", "Write the schema of job files"],
    ["schema workflow", "Print the schema of workflow files"],
  ],
  flags: [],
  actions: Object.keys(SCHEMAS),
  maxOperands: 1,
  async run(context) {
    const { operands: [name = "job"] } = context;
    const schema = findAction(SCHEMAS, name, {
      command: "schema",
      word: "schema",
    });
    await context.print(JSON.stringify(await schema(), null, 2));
    return 0;
  },
};
