import {
  type ArtifactDefinition,
  type ArtifactWhen,
  DEFAULT_RETENTION_MS,
} from "../../artifacts/artifact.ts";
import { patternProblem } from "../../artifacts/select_files.ts";
import { CACHE_NAME } from "../../cache/cache_entry.ts";
import { list, listOrOne } from "../../schema/collections.ts";
import {
  byShape,
  type Keys,
  mapped,
  mapping,
  type Schema,
} from "../../schema/combinators.ts";
import {
  choice,
  positiveDuration,
  text,
  yamlFlag,
} from "../../schema/scalars.ts";
import type { JobNeed } from "./definition.ts";
import { jobName } from "./job_schemas.ts";

/** Pattern of the name of an artifact. */
const NAME_WORDS =
  'have letters, digits, ".", "_" and "-", and start with a letter or digit';

const WHEN: readonly ArtifactWhen[] = ["on_success", "on_failure", "always"];

const artifactName: Schema<string> = text({
  rule: { pattern: CACHE_NAME, words: NAME_WORDS },
});

const pattern: Schema<string> = mapped(text(), (value, node) => {
  const problem = patternProblem(value);
  return problem === undefined ? value : void node.report(problem);
});

/** An artifact as written. */
interface ArtifactContent {
  readonly paths?: readonly string[];
  readonly retention?: number;
  readonly when?: ArtifactWhen;
  readonly isOptional?: boolean;
}

const ARTIFACT_KEYS: Keys<ArtifactContent> = {
  paths: {
    key: "paths",
    schema: listOrOne("be a pattern or a list of patterns", pattern, {
      minimum: 1,
    }),
    description:
      "Patterns of paths relative to the code directory, each of which must match something; a directory is saved with everything in it.",
    isRequired: true,
  },
  retention: {
    key: "retention",
    schema: positiveDuration,
    description: "How long the artifact is kept, such as 12h or 30d.",
    defaultValue: "7d",
  },
  when: {
    key: "when",
    schema: choice(WHEN),
    description: "Whether it is saved if the job succeeds, fails, or both.",
    defaultValue: "on_success",
  },
  isOptional: {
    key: "optional",
    schema: yamlFlag,
    description:
      "Whether the job may end without saving it; jobs that need it then run without it.",
    defaultValue: false,
  },
};

const artifact = mapping<ArtifactContent>("Artifact", ARTIFACT_KEYS);

/** Schema of the artifacts of a job. */
export const artifacts: Schema<readonly ArtifactDefinition[]> = {
  jsonSchema: () => ({
    type: "object",
    propertyNames: { pattern: CACHE_NAME.source },
    additionalProperties: artifact.jsonSchema(),
  }),
  parse(node) {
    if (node.entries === undefined) {
      return void node.report("must map names to artifacts");
    }
    return node.entries.map(([name, one]): ArtifactDefinition => {
      if (!CACHE_NAME.test(name)) one.report(`must ${NAME_WORDS}`);
      if (one.isNull) one.report("must be a mapping with paths");
      const content = one.isNull ? {} : artifact.parse(one) ?? {};
      const { paths = [], retention, when, isOptional } = content;
      return {
        name,
        paths,
        retentionMs: retention ?? DEFAULT_RETENTION_MS,
        when: when ?? "on_success",
        isOptional: isOptional ?? false,
      };
    });
  },
};

const plainNeed: Schema<JobNeed> = mapped(jobName, (job) => ({ job }));

const needMapping = mapping<Partial<JobNeed>>("Dependency", {
  job: {
    key: "job",
    schema: jobName,
    description: "Name of the job.",
    isRequired: true,
  },
  artifacts: {
    key: "artifacts",
    schema: listOrOne(
      "be the name of an artifact or a list of names",
      artifactName,
    ),
    description: "Names of the artifacts that this job gets from it.",
  },
});

const needWithArtifacts: Schema<JobNeed> = mapped(
  needMapping,
  ({ job, artifacts }) => job === undefined ? undefined : { job, artifacts },
);

const need: Schema<JobNeed> = byShape(
  "be the name of a job, or a mapping with job and artifacts",
  { scalar: plainNeed, mapping: needWithArtifacts },
);

/** Schema of the jobs that a job needs. */
export const needs: Schema<readonly JobNeed[]> = byShape(
  "be the name of a job or a list of names",
  {
    scalar: mapped(plainNeed, (one) => [one]),
    list: list(need),
    mapping: mapped(needWithArtifacts, (one) => [one]),
  },
);
