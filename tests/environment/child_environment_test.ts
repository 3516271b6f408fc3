import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  type Child,
  childEnvironment,
} from "../../src/environment/child_environment.ts";
import {
  findVariable,
  SECRET_VARIABLES,
  Variable,
  VARIABLE_GROUPS,
} from "../../src/environment/variables.ts";
import { OPTIONS } from "../../src/options/options.ts";
import { BARE_ENV } from "../helpers/running.ts";

function environmentOf(
  parent: Record<string, string>,
  child: Child,
): Record<string, string> {
  return childEnvironment(parent, child);
}

const NO_LAYERS = { facts: {}, jobEnv: {} };

const ORDINARY = {
  ...BARE_ENV,
  HOME: "/home/me",
  CI: "true",
  LANG: "de_DE.UTF-8",
  LC_TIME: "C",
  TZ: "Europe/Berlin",
  TERM: "xterm",
  FORCE_COLOR: "1",
};

/** Credentials that no rule about names would find. */
const CREDENTIALS = {
  GIT_CONFIG_COUNT: "1",
  GIT_CONFIG_KEY_0: "http.https://git.example.com/.extraHeader",
  GIT_CONFIG_VALUE_0: "Authorization: Basic d29ya2VyOnRva2Vu",
  GITHUB_PAT: "ghp_abcdef1234567890",
  AWS_ACCESS_KEY_ID: "AKIAEXAMPLE0001",
  AWS_SECRET_ACCESS_KEY: "k3y-of-the-bucket",
  AWS_SESSION_TOKEN: "t0ken-of-the-session",
  DOCKER_AUTH_CONFIG: '{"auths":{"r":{"auth":"dTpwYXNz"}}}',
  NPM_CONFIG__AUTH: "dTpwYXNz",
  SSH_AUTH_SOCK: "/run/agent",
  PGPASSFILE: "/run/pgpass",
  KUBECONFIG: "/run/kube",
  DOCKER_HOST: "tcp://localhost:2375",
  DATABASE_URL: "postgres://u:p@db/x",
  BAGGAGE: "user=me",
  LC_TOKEN: "sent by ssh",
};

/** Variables in which git passes the repository to a hook. */
const GIT_HOOK_VARIABLES = {
  GIT_DIR: ".git",
  GIT_WORK_TREE: "/outer",
  GIT_INDEX_FILE: "/outer/.git/index.lock",
  GIT_PREFIX: "sub/",
};

function untrusted(
  parent: Record<string, string>,
  options: {
    names?: string[];
    jobEnv?: Record<string, string>;
    facts?: Record<string, string>;
    own?: Record<string, string>;
    isNarrow?: boolean;
    secret?: string;
    onWithheld?: (name: string) => void;
  } = {},
): Record<string, string> {
  const { names = [], isNarrow = false, secret } = options;
  return environmentOf(parent, {
    ...NO_LAYERS,
    ...options,
    kind: "untrusted-step",
    names,
    isNarrow,
    containsSecret: (text) => secret !== undefined && text.includes(secret),
  });
}

describe("childEnvironment() of a job", () => {
  const job = (
    parent: Record<string, string>,
    inherit: boolean | string[] = true,
  ) => environmentOf(parent, { kind: "job", inherit, ...NO_LAYERS });

  it("inherits everything except the runner's own variables", () => {
    const parent = { ...ORDINARY, ...CREDENTIALS, "a.b": "1", "c-d": "2" };
    const runner = {
      [Variable.secretsPassword]: "p",
      [Variable.triggerNonce]: "n",
      [Variable.envNames]: "A",
    };
    assertEquals(job({ ...parent, ...runner }), { ...parent });
    assertEquals(job({ ...parent, ...runner }, Object.keys(runner)), {
      ...BARE_ENV,
      CI: "true",
      HOME: "/home/me",
    });
  });

  it("inherits less on request, but always the system variables", () => {
    const parent = {
      ...ORDINARY,
      A: "a",
      [Variable.jobId]: "1",
      [Variable.workflowId]: "w",
      REACTORCIDE_OF_A_NEWER_WORKER: "x",
    };
    const narrow = {
      ...BARE_ENV,
      HOME: "/home/me",
      CI: "true",
      [Variable.jobId]: "1",
      [Variable.workflowId]: "w",
      REACTORCIDE_OF_A_NEWER_WORKER: "x",
    };
    assertEquals(job(parent, false), narrow);
    assertEquals(job(parent, ["A", "NOT_SET"]), { ...narrow, A: "a" });
  });

  it("overrides inherited variables, layer by layer", () => {
    const env = environmentOf({ A: "1", B: "1", C: "1", D: "1" }, {
      kind: "job",
      inherit: true,
      facts: { B: "2", C: "2", D: "2" },
      jobEnv: { C: "3", D: "3" },
      own: { D: "4" },
    });
    assertEquals(env, { A: "1", B: "2", C: "3", D: "4" });
  });

  it("takes the trace from the facts", () => {
    const parent = {
      [Variable.traceParent]: "not a trace",
      [Variable.traceState]: "a=b",
    };
    for (const inherit of [true, false, Object.keys(parent)]) {
      assertEquals(job(parent, inherit), {});
    }
  });

  it("does not inherit the repository of a git hook, unless it is named", () => {
    assertEquals(job({ A: "a", ...GIT_HOOK_VARIABLES }), { A: "a" });
    assertEquals(job({ A: "a", ...GIT_HOOK_VARIABLES }, ["GIT_DIR"]), {
      GIT_DIR: ".git",
    });
  });
});

describe("childEnvironment() of an untrusted step", () => {
  it("inherits an allowlist", () => {
    assertEquals(untrusted({ ...ORDINARY, ...CREDENTIALS }), { ...ORDINARY });
  });

  it("gets facts of the job, but no additional access", () => {
    const facts = {
      [Variable.jobId]: "1",
      [Variable.codeDir]: "/job/src",
      [Variable.traceParent]: "00-1-1-01",
    };
    const keys = {
      [Variable.apiToken]: "t",
      [Variable.secretsSocket]: "/run/socket",
      [Variable.vcsAuthDir]: "/job/auth",
      [Variable.secretsPassword]: "p",
      [Variable.jobEnv]: "A=1",
      [Variable.jobCommand]: "curl --header 'Authorization: Bearer x'",
      REACTORCIDE_OUTPUT_LOGIN_HEADER: "of a step around the runner",
      REACTORCIDE_OF_A_NEWER_WORKER: "x",
    };
    const parent = { ...facts, ...keys };
    assertEquals(untrusted(parent), {
      [Variable.jobId]: "1",
      [Variable.codeDir]: "/job/src",
      [Variable.traceParent]: "00-1-1-01",
    });
    assertEquals(untrusted({}, { facts: parent }), { ...facts });
  });

  it("gets the variables of the runner and the job that it names", () => {
    const parent = { ...CREDENTIALS, A: "runner" };
    const jobEnv = { A: "job", B: "job", C: "job" };
    assertEquals(
      untrusted(parent, {
        jobEnv,
        names: ["A", "GITHUB_PAT"],
        own: { C: "own" },
      }),
      { A: "job", GITHUB_PAT: "ghp_abcdef1234567890", C: "own" },
    );
    assertEquals(
      untrusted({ [Variable.apiToken]: "t" }, { names: [Variable.apiToken] }),
      {},
    );
  });

  it("gets no known secret, and reports variables that were withheld", () => {
    const withheld: string[] = [];
    const env = untrusted({ LANG: "hunter2", GITHUB_PAT: "x" }, {
      secret: "hunter2",
      jobEnv: { PASS: "hunter2" },
      names: ["PASS", "NOT_SET"],
      own: { COPY: "a hunter2 b", B: "b" },
      facts: { [Variable.jobId]: "hunter2" },
      onWithheld: (name) => withheld.push(name),
    });
    assertEquals(env, { B: "b" });
    assertEquals(withheld.sort(), ["COPY", "PASS"]);
  });

  it("gets only URLs and proxies without credentials", () => {
    const harmless = {
      HTTP_PROXY: "http://proxy:3128",
      all_proxy: "socks5://proxy",
      NO_PROXY: "localhost,.example.com",
      [Variable.sourceUrl]: "git@example.com:owner/repo.git",
      [Variable.headUrl]: "ssh://git@example.com/owner/repo",
      [Variable.baseUrl]: "https://example.com/owner/repo.git",
      [Variable.ciSourceUrl]: "/srv/repo",
    };
    assertEquals(untrusted(harmless), { ...harmless });
    for (
      const [name, value] of [
        ["HTTPS_PROXY", "http://u:p@proxy:1"],
        ["https_proxy", "u:p@proxy:1"],
        ["ALL_PROXY", "socks5://token@proxy"],
        [Variable.sourceUrl, "https://token@example.com/r"],
        [Variable.sourceUrl, "https://u:p/w@example.com/r"],
        [Variable.headUrl, "ssh://git:p@example.com/r"],
        [Variable.ciSourceUrl, "https://example.com/r.tgz?X-Amz-Signature=1"],
        [Variable.baseUrl, "u:p@example.com:r"],
        [Variable.gitUrl, "HTTPS://token@example.com/r"],
      ]
    ) {
      assertEquals(untrusted({ [name]: value }), {}, value);
    }
  });

  it("keeps the directories that git may work in", () => {
    const env = untrusted({
      GIT_CONFIG_COUNT: "4",
      GIT_CONFIG_KEY_0: "http.extraHeader",
      GIT_CONFIG_VALUE_0: "Authorization: Basic x",
      GIT_CONFIG_KEY_1: "safe.directory",
      GIT_CONFIG_VALUE_1: "*",
      GIT_CONFIG_KEY_2: "credential.helper",
      GIT_CONFIG_VALUE_2: "!echo password=x",
      GIT_CONFIG_KEY_3: "Safe.Directory",
      GIT_CONFIG_VALUE_3: "/x",
    });
    assertEquals(env, {
      GIT_CONFIG_COUNT: "2",
      GIT_CONFIG_KEY_0: "safe.directory",
      GIT_CONFIG_VALUE_0: "*",
      GIT_CONFIG_KEY_1: "Safe.Directory",
      GIT_CONFIG_VALUE_1: "/x",
    });
  });

  it("inherits as little as other steps with inherit_env: false", () => {
    const parent = {
      ...ORDINARY,
      [Variable.jobId]: "1",
      [Variable.logFormat]: "json",
      A: "a",
    };
    assertEquals(untrusted(parent, { isNarrow: true, names: ["A"] }), {
      ...BARE_ENV,
      HOME: "/home/me",
      CI: "true",
      [Variable.jobId]: "1",
      A: "a",
    });
  });
});

describe("childEnvironment() of other programs", () => {
  const parent = {
    ...ORDINARY,
    ...CREDENTIALS,
    ...GIT_HOOK_VARIABLES,
    GIT_TEMPLATE_DIR: "/t",
    [Variable.jobId]: "1",
    [Variable.apiToken]: "t",
    [Variable.readToken]: "r",
    [Variable.secretsPassword]: "p",
    [Variable.triggerNonce]: "n",
    [Variable.secretsSocket]: "/run/socket",
    [Variable.vcsAuthDir]: "/job/auth",
    [Variable.workspace]: "/w",
    [Variable.fetchDepth]: "3",
    REACTORCIDE_OF_A_NEWER_WORKER: "x",
  };

  it("passes tools their own credentials, but none of the system's", () => {
    for (const kind of ["source-client", "container-engine", "tool"] as const) {
      assertEquals(environmentOf({ ...parent, HGMERGE: "x" }, { kind }), {
        ...ORDINARY,
        ...CREDENTIALS,
        GIT_TEMPLATE_DIR: "/t",
        [Variable.jobId]: "1",
        [Variable.workspace]: "/w",
        [Variable.fetchDepth]: "3",
      });
    }
  });

  it("passes the operator's configuration to git", () => {
    const { GIT_TEMPLATE_DIR: _, ...rest } = environmentOf(parent, {
      kind: "tool",
    });
    const git = {
      GIT_SSH_COMMAND: "ssh -i key",
      GIT_CONFIG_GLOBAL: "/g",
      GIT_SSL_CAINFO: "/ca",
    };
    const other = {
      GIT_NAMESPACE: "n",
      GIT_EXTERNAL_DIFF: "evil",
      GIT_OF_A_NEWER_HOOK: "x",
    };
    assertEquals(
      environmentOf({ ...parent, ...git, ...other }, { kind: "git" }),
      { ...rest, ...git },
    );
  });

  it("passes a plugin the variables that it may use, except those of the job", () => {
    const all = environmentOf(parent, {
      kind: "plugin",
      mayUse: () => true,
    });
    assertEquals(all, {
      ...ORDINARY,
      ...CREDENTIALS,
      GIT_TEMPLATE_DIR: "/t",
      [Variable.jobId]: "1",
      [Variable.workspace]: "/w",
      [Variable.fetchDepth]: "3",
    });
    const mayUse = (name: string) =>
      name === "CI" || name === Variable.apiToken;
    assertEquals(environmentOf(parent, { kind: "plugin", mayUse }), {
      CI: "true",
    });
  });

  it("passes a git query what git needs to run, and no settings of git", () => {
    const needed = {
      PATH: "/bin",
      HOME: "/home/u",
      XDG_CONFIG_HOME: "/c",
      TMPDIR: "/tmp",
      LD_LIBRARY_PATH: "/lib",
      GIT_EXEC_PATH: "/exec",
    };
    const git = { GIT_SSH_COMMAND: "evil", GIT_CONFIG_GLOBAL: "/g" };
    assertEquals(
      environmentOf({ ...parent, ...git, ...needed }, { kind: "git-query" }),
      needed,
    );
  });

  it("passes a container all variables that do not describe the host", () => {
    const env = environmentOf(parent, {
      ...NO_LAYERS,
      kind: "container",
      names: ["TZ", Variable.secretsPassword, Variable.vcsAuthDir],
    });
    assertEquals(env, {
      TZ: "Europe/Berlin",
      [Variable.jobId]: "1",
      [Variable.apiToken]: "t",
      [Variable.readToken]: "r",
      [Variable.fetchDepth]: "3",
      REACTORCIDE_OF_A_NEWER_WORKER: "x",
    });
  });

  it("passes the settings to the runner of another job", () => {
    assertEquals(environmentOf(parent, { kind: "nested-runner" }), {
      ...ORDINARY,
      ...CREDENTIALS,
      GIT_TEMPLATE_DIR: "/t",
      [Variable.readToken]: "r",
      [Variable.secretsPassword]: "p",
      [Variable.fetchDepth]: "3",
    });
  });
});

describe("the table of variables", () => {
  it("has each name once", () => {
    const names = Object.values(Variable);
    assertEquals(new Set(names).size, names.length);
  });

  it("has the variable of each option under its name", () => {
    assertEquals(Variable.codeDir, "REACTORCIDE_CODE_DIR");
    assertEquals(Variable.ciSourceUrl, "REACTORCIDE_CI_SOURCE_URL");
    assertEquals(
      Object.values(VARIABLE_GROUPS.configuration).map(({ name }) => name),
      OPTIONS.flatMap((option) => "env" in option ? option.env.name : []),
    );
  });

  it("shows no secret to untrusted programs", () => {
    assertEquals(SECRET_VARIABLES.length > 0, true);
    for (const name of SECRET_VARIABLES) {
      const { seenBy = "everyone" } = findVariable(name)!;
      assertEquals(seenBy === "everyone", false, name);
    }
  });

  it("has the variables that git passes to hooks", async () => {
    const { stdout } = await new Deno.Command("git", {
      args: ["rev-parse", "--local-env-vars"],
    }).output();
    const names = new TextDecoder().decode(stdout).trim().split("\n");
    const parent = Object.fromEntries(names.map((name) => [name, "x"]));
    assertEquals(
      environmentOf(parent, { kind: "job", inherit: true, ...NO_LAYERS }),
      // Workers use it to configure git.
      { GIT_CONFIG_COUNT: "x" },
    );
  });
});
