import type { Random } from "./random.ts";

/** A job of a random workflow. */
export interface RandomJob {
  name: string;
  needs?: ({ job: string; artifacts?: string[] })[];
  artifacts: unknown;
  condition?: string;
  when?: unknown;
  for_each?: string[];
  environment: Record<string, string>;
  command: string;
}

/** Prints what the job sees to a file, and sets an output. */
const COMMAND = `
printf '%s\\t%s\\t%s\\n' "$RC_WF_NODE_NAME" "$RC_WF_VARS_JSON" "$(ls | grep ^out- | tr '\\n' /)$TEXT" >> "$LOG_FILE"
printf '{"outputs":{"at":"$TEXT"}}' > "$RC_WF_OUTPUT_FILE"
touch "out-$RC_WF_NODE_NAME"
`;

/** Creates jobs that print what they see, and end in different ways. */
export function randomJobs(random: Random): RandomJob[] {
  const names = ["a", "b.c", "d e", "B.C", "main", "image"];
  return names.slice(0, 3 + random.below(4)).map((name, at, all) => {
    const needs = all.slice(0, at).filter(() => random.below(3) === 0);
    const [when] = random.below(4) > 0 ? [undefined] : [
      random.pick([{ branch: "release/**" }, { branch: ["m*"] }, {
        not: { tag: "v*" },
      }]),
    ];
    return {
      name,
      ...needs.length > 0
        ? {
          needs: needs.map((job) =>
            random.below(2) ? { job } : { job, artifacts: ["out"] }
          ),
        }
        : {},
      artifacts: { out: { paths: ["out-*"], when: "always", optional: true } },
      ...random.below(3) === 0
        ? { condition: random.pick(["any_failed", "always"]) }
        : {},
      ...when === undefined ? {} : { when },
      ...random.below(4) === 0
        ? { for_each: ["x", "${{ y }}"].slice(0, random.below(3)) }
        : {},
      environment: { TEXT: "{{ $A ${{ b }} $[[ c ]] $$ ' \\" },
      command: `${COMMAND}exit ${random.pick([0, 0, 3])}`,
    };
  });
}

/** Finds the jobs on which a job depends, directly or not. */
function findAncestors(jobs: readonly RandomJob[], name: string): Set<string> {
  const { needs = [] } = jobs.find((job) => job.name === name)!;
  return new Set(
    needs.flatMap(({ job }) => [job, ...findAncestors(jobs, job)]),
  );
}

/** Returns what each job has seen of the jobs that it depends on. */
export function readSeen(
  jobs: readonly RandomJob[],
  log: string,
): Record<string, unknown> {
  return Object.fromEntries(
    log.split("\n").filter((line) => line !== "").map((line) => {
      const [node, vars, text] = line.split("\t");
      const before = findAncestors(jobs, node.replace(/\[\d+\]$/, ""));
      const entries = Object.entries(JSON.parse(vars)).filter(([key]) =>
        before.has(key.replace(/\.at$/, "")) || key === "start"
      );
      return [node, { text, vars: Object.fromEntries(entries.sort()) }];
    }),
  );
}
