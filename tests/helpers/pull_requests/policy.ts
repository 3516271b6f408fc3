import { type Policy, readPolicy } from "../../../src/workflow/eval/policy.ts";

/** A rule of a policy as in its file, without `use`. */
interface PolicyRule {
  /** Jobs that keep their trusted definition. */
  nodes: string[];
  [key: string]: unknown;
}

/** Creates a policy whose rules give the pull request a limited profile. */
export function createPolicy(rules: PolicyRule[]): Promise<Policy> {
  return readPolicy(
    JSON.stringify({
      version: 1,
      head_ci: rules.map(({ nodes, ...rule }) => ({
        ...rule,
        use: {
          ci_source: "head",
          profile: "limited",
          workers: "pool",
          base_nodes: nodes.length === 0 ? [] : [{
            nodes,
            ci_source: "base",
            profile: "trusted",
            workers: "safe",
          }],
        },
      })),
    }),
    "POLICY",
  );
}
