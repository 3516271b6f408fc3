import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RunnerError } from "../../src/errors.ts";
import {
  decide,
  type DecisionFacts,
  policyRevision,
  readPolicy,
} from "../../src/workflow/eval/policy.ts";
import { withoutExcerpts } from "../helpers/problem_text.ts";

const RULE = {
  id: "r1",
  workflows: ["w1"],
  paths: [".reactorcide/**"],
  use: { ci_source: "head", profile: "p", workers: "default" },
};

const read = (text: string) => readPolicy(text, "POLICY");

const policyOf = (...rules: unknown[]) =>
  read(JSON.stringify({ version: 1, head_ci: rules }));

describe("readPolicy()", () => {
  it("computes the same revision as the coordinator", async () => {
    const policy = await policyOf(RULE);
    assertEquals(
      policy.canonical,
      '{"defaults":{"ci_source":"base","profile":"standard"},"head_ci":[{"actors":{"any":[]},"approval":{"any":[]},"base_branches":[],"events":[],"head_repository":"same","id":"r1","paths":[".reactorcide/**"],"use":{"ci_source":"head","profile":"p","workers":"default"},"workflows":["w1"]}],"version":1}',
    );
    assertEquals(
      await policyRevision(policy),
      "48774d1d176cbe838271d4d6d9184bd1fc7048226f22cc980d66a89eb5452d98",
    );
  });

  it("encodes text as the coordinator does", async () => {
    const { canonical } = await policyOf({
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

  it("rejects unknown keys and values", async () => {
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
    ) {
      const error = await assertRejects(() => read(wrong), RunnerError);
      assertMatch(
        error.message,
        /^Cannot (use|read) the CI policy in "POLICY"/,
      );
      assertEquals(error.code, "invalid-config");
    }
  });

  it("reports all problems, each with its position", async () => {
    const text = JSON.stringify(
      { version: 2, head_ci: [{ ...RULE, id: 5, pathes: [] }, RULE, RULE] },
      null,
      1,
    );
    const { message } = await assertRejects(() => read(text), RunnerError);
    assertEquals(
      withoutExcerpts(message),
      `Cannot use the CI policy in "POLICY": 5 problems
POLICY:1:1: names rule "r1" twice
POLICY:1:1: names workflow "w1" twice
POLICY:2:2: version must be 1
POLICY:5:4: head_ci[0].id must be a string, not a number
POLICY:17:4: unknown key "head_ci[0].pathes"; did you mean "head_ci[0].paths"?`,
    );
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
  const holds = async (rule: object, facts: object = {}) =>
    decide(await policyOf({ ...RULE, ...rule }), { ...FACTS, ...facts });

  it("grants the permissions of a matching rule", async () => {
    assertEquals(await holds({}), {
      profile: "p",
      workers: "default",
      baseNodes: [],
      ruleId: "r1",
      approvalId: null,
    });
  });

  it("requires all conditions of a rule", async () => {
    const changed = [...FACTS.changedCiPaths, "elsewhere"];
    assertEquals(await holds({}, { workflowId: "w2" }), undefined);
    assertEquals(await holds({}, { changedCiPaths: ["x"] }), undefined);
    assertEquals(await holds({}, { changedCiPaths: changed }), undefined);
    assertEquals(await holds({}, { relation: "fork" }), undefined);
    assert(await holds({ head_repository: "any" }, { relation: "fork" }));
    assertEquals(await holds({ events: ["push"] }), undefined);
    assert(await holds({ base_branches: ["ma*"] }));
    assertEquals(await holds({ base_branches: ["dev"] }), undefined);
    assert(await holds({ actors: { any: ["repository_write"] } }));
    assertEquals(await holds({ actors: { any: ["vcs_user:a"] } }), undefined);
  });

  it("requires an approval that matches and has not expired", async () => {
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
    assertEquals(await holds(rule), undefined);
    assertEquals(
      (await holds(rule, { approvals: [approval] }))?.approvalId,
      "a1",
    );
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
      assertEquals(await holds(rule, { approvals }), undefined);
    }
  });
});
