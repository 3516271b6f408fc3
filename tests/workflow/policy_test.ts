import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { decide, type DecisionFacts } from "../../src/workflow/eval/decide.ts";
import { policyRevision, readPolicy } from "../../src/workflow/eval/policy.ts";

const RULE = {
  id: "r1",
  workflows: ["w1"],
  paths: [".reactorcide/**"],
  use: { ci_source: "head", profile: "p", workers: "default" },
};

const policyOf = (...rules: unknown[]) =>
  readPolicy(JSON.stringify({ version: 1, head_ci: rules }));

describe("readPolicy()", () => {
  it("finds the revision that the coordinator finds", async () => {
    const policy = policyOf(RULE);
    assertEquals(
      policy.canonical,
      '{"defaults":{"ci_source":"base","profile":"standard"},"head_ci":[{"actors":{"any":[]},"approval":{"any":[]},"base_branches":[],"events":[],"head_repository":"same","id":"r1","paths":[".reactorcide/**"],"use":{"ci_source":"head","profile":"p","workers":"default"},"workflows":["w1"]}],"version":1}',
    );
    assertEquals(
      await policyRevision(policy),
      "48774d1d176cbe838271d4d6d9184bd1fc7048226f22cc980d66a89eb5452d98",
    );
  });

  it("writes text as the coordinator does", () => {
    const { canonical } = policyOf({
      ...RULE,
      actors: { any: ["vcs_user:é<&>\u2028"] },
      use: {
        ...RULE.use,
        base_nodes: [{
          nodes: ["deploy"],
          ci_source: "base",
          profile: "q",
          workers: "w",
        }],
      },
    });
    assert(
      canonical.includes("vcs_user:é\\u003c\\u0026\\u003e\\u2028"),
      canonical,
    );
    assert(
      canonical.includes(
        '"base_nodes":[{"ci_source":"base","nodes":["deploy"],"profile":"q","workers":"w"}]',
      ),
    );
  });

  it("refuses what it does not know", () => {
    for (
      const wrong of [
        "[]",
        "{",
        "{}",
        '{"version":2}',
        '{"version":1,"head-ci":[]}',
        JSON.stringify({ version: 1, head_ci: [RULE, RULE] }),
        JSON.stringify({ version: 1, head_ci: [{ ...RULE, path: [] }] }),
        JSON.stringify({ version: 1, head_ci: [{ ...RULE, id: "R" }] }),
        JSON.stringify({ version: 1, head_ci: [{ ...RULE, paths: ["../x"] }] }),
        JSON.stringify({ version: 1, head_ci: [{ ...RULE, paths: ["a//b"] }] }),
        JSON.stringify({ version: 1, head_ci: [{ ...RULE, paths: [] }] }),
        JSON.stringify({ version: 1, head_ci: [{ ...RULE, workflows: [] }] }),
        JSON.stringify({
          version: 1,
          head_ci: [{
            ...RULE,
            use: {
              ...RULE.use,
              base_nodes: [{
                nodes: [],
                ci_source: "base",
                profile: "p",
                workers: "w",
              }],
            },
          }],
        }),
        JSON.stringify({ version: 1, head_ci: [{ ...RULE, use: {} }] }),
        JSON.stringify({
          version: 1,
          head_ci: [{ ...RULE, actors: { any: ["project_owner"] } }],
        }),
        JSON.stringify({
          version: 1,
          head_ci: [RULE, { ...RULE, id: "r2" }],
        }),
      ]
    ) assertThrows(() => readPolicy(wrong), Error, "Cannot use the CI policy");
  });
});

const FACTS: DecisionFacts = {
  workflowId: "w1",
  dependencyPaths: [".reactorcide/workflows/w1.yaml"],
  changedCiPaths: [".reactorcide/workflows/w1.yaml"],
  event: "pull_request_opened",
  baseBranch: "main",
  relation: "same",
  actorSubjects: ["repository_write"],
  approvals: [],
  approved: { headSha: "h", baseSha: "b", policyRevision: "r" },
  now: Date.parse("2026-01-01T00:00:00Z"),
};

describe("decide()", () => {
  const holds = (rule: object, facts: object = {}) =>
    decide(policyOf({ ...RULE, ...rule }), { ...FACTS, ...facts });

  it("grants what a rule that holds says", () => {
    assertEquals(holds({}), {
      profile: "p",
      workers: "default",
      baseNodes: [],
      ruleId: "r1",
      approvalId: null,
    });
  });

  it("wants everything about a rule to hold", () => {
    const changed = [...FACTS.changedCiPaths, "elsewhere"];
    assertEquals(holds({}, { workflowId: "w2" }), undefined);
    assertEquals(holds({}, { changedCiPaths: ["x"] }), undefined);
    assertEquals(holds({}, { changedCiPaths: changed }), undefined);
    assertEquals(holds({}, { relation: "fork" }), undefined);
    assert(holds({ head_repository: "any" }, { relation: "fork" }));
    assertEquals(holds({ events: ["push"] }), undefined);
    assert(holds({ base_branches: ["ma*"] }));
    assertEquals(holds({ base_branches: ["dev"] }), undefined);
    assert(holds({ actors: { any: ["repository_write"] } }));
    assertEquals(holds({ actors: { any: ["vcs_user:a"] } }), undefined);
  });

  it("looks for an approval that fits and has not passed", () => {
    const approval = {
      approval_id: "a1",
      approver_subject: "project_owner",
      head_sha: "h",
      base_sha: "b",
      policy_revision: "r",
      workflow_scope: "*",
      execution_profile: "p",
      expires_at: "2026-02-01T00:00:00Z",
      invalidated_at: null,
    };
    const rule = { approval: { any: ["project_owner"] } };
    assertEquals(holds(rule), undefined);
    assertEquals(holds(rule, { approvals: [approval] })?.approvalId, "a1");
    for (
      const change of [
        { head_sha: "x" },
        { workflow_scope: "w2" },
        { expires_at: "2025-01-01T00:00:00Z" },
        { expires_at: "soon" },
        { invalidated_at: "2025-01-01T00:00:00Z" },
        { execution_profile: "q" },
        { approval_id: "" },
      ]
    ) {
      const approvals = [{ ...approval, ...change }];
      assertEquals(holds(rule, { approvals }), undefined);
    }
  });
});
