import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { OPTIONS } from "../../src/options/options.ts";
import {
  createLayer,
  defaultLayer,
  environmentLayer,
  type Layer,
  Settings,
} from "../../src/config/settings.ts";
import { optionsLayer } from "../../src/config/options_layer.ts";

function valuesOf(layer: Layer): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(layer).map(([name, { value }]) => [name, value]),
  );
}

describe("defaultLayer()", () => {
  it("returns the defaults", () => {
    assertEquals(valuesOf(defaultLayer()), {
      code_dir: "/job/src",
      artifacts_dir: "/job/artifacts",
      triggers_file: "/job/triggers.json",
      timestamps: "false",
      trigger_transport: "auto",
      coordinator_timeout: "30s",
      source_type: "none",
      ci_source_type: "none",
      annotate: "auto",
      archive_max_entries: "1000000",
      archive_max_bytes: "17179869184",
      archive_max_ratio: "200",
      archive_timeout: "1h",
      cache_max_bytes: "10737418240",
      artifact_namespace: "local",
      cache: "read-write",
      cache_audit: "false",
      cache_explain: "false",
      cache_namespace: "local",
      coordinator_outage: "10m",
      coordinator_poll: "2s",
      checkout_mode: "isolated",
      fetch_depth: "1",
      submodules: "off",
      git_lfs: "auto",
      stderr: "merged",
      grace: "10s",
      fail_on_flaky: "false",
      rerun_failed: "false",
      shell_on_failure: "false",
      failure_policy: "finish",
      inherit_env: "true",
      otel: "false",
      otel_logs: "false",
      profile: "false",
      problem_matchers: "",
      report: "",
      secret_env_patterns:
        "*TOKEN,*_PAT,*PASSWORD,*PASSWD,*PASSPHRASE,*SECRET,*PRIVATE_KEY,*ACCESS_KEY,*API_KEY,*__AUTH,*_AUTH_CONFIG,*_CONNECTION_STRING",
      mask_min_length: "3",
      mask: "true",
    });
    assertEquals(defaultLayer().code_dir?.origin, "the default");
  });
});

describe("environmentLayer()", () => {
  it("reads every variable, which is the origin", () => {
    const variables = OPTIONS.flatMap((key) =>
      "env" in key ? [[key.name, key.env.name]] : []
    );
    const layer = environmentLayer(
      Object.fromEntries(variables.map(([name, env]) => [env, `of ${name}`])),
    );
    assertEquals(
      layer,
      Object.fromEntries(
        variables.map(([name, env]) => [
          name,
          { value: `of ${name}`, origin: env },
        ]),
      ),
    );
  });

  it("keeps empty values and skips unset variables", () => {
    assertEquals(
      environmentLayer({ REACTORCIDE_JOB_COMMAND: "", HOME: "/", PATH: "" }),
      { job_command: { value: "", origin: "REACTORCIDE_JOB_COMMAND" } },
    );
  });

  it("treats the URL of a git repository as a git source", () => {
    assertEquals(
      environmentLayer({
        REACTORCIDE_GIT_URL: "https://host/x",
        REACTORCIDE_GIT_REF: "main",
      }),
      {
        source_type: { value: "git", origin: "REACTORCIDE_GIT_URL" },
        source_url: { value: "https://host/x", origin: "REACTORCIDE_GIT_URL" },
        source_ref: { value: "main", origin: "REACTORCIDE_GIT_REF" },
      },
    );
  });

  it("prefers REACTORCIDE_* variables over the older names", () => {
    assertEquals(
      valuesOf(environmentLayer({
        REACTORCIDE_GIT_URL: "https://host/short",
        REACTORCIDE_SOURCE_TYPE: "copy",
        REACTORCIDE_SOURCE_URL: "/src",
      })),
      { source_type: "copy", source_url: "/src" },
    );
  });

  it("converts the real path of a job's directory", () => {
    const workspace = { REACTORCIDE_WORKSPACE: "/home/user/job" };
    const places: [place: string, path: string][] = [
      ["/home/user/job", "/job"],
      ["/home/user/job/a/b", "/job/a/b"],
      ["/home/user/jobs/a", "/home/user/jobs/a"],
      ["/job/a", "/job/a"],
    ];
    for (const [place, path] of places) {
      const env = { ...workspace, REACTORCIDE_JOB_DIR: place };
      assertEquals(valuesOf(environmentLayer(env)), { job_dir: path });
    }
  });

  it("does not read inherited properties", () => {
    assertEquals(environmentLayer(Object.create({ REACTORCIDE_X: "y" })), {});
    assertEquals(environmentLayer({ constructor: "x", __proto__: "y" }), {});
  });
});

describe("optionsLayer()", () => {
  it("keeps values and converts times to text", () => {
    assertEquals(
      valuesOf(optionsLayer({
        command: ["make", "a b"],
        env: { A: "1" },
        secrets: { values: ["a,b"], mask: undefined },
        limits: { timeoutMs: 1_500, graceMs: 0, concurrency: 4 },
        failurePolicy: "kill",
        selection: { only: ["a", "b"] },
        wait: true,
        output: { group: true, maxLineBytes: 100 },
        plugins: { permissions: { slack: { net: ["a.example", "b"] } } },
        inheritEnv: false,
      })),
      {
        job_command: ["make", "a b"],
        job_env: { A: "1" },
        secret_values_list: ["a,b"],
        timeout: "1500ms",
        grace: "0ms",
        concurrency: "4",
        failure_policy: "kill",
        only: ["a", "b"],
        wait: "true",
        plugin_permissions: ["slack:net=a.example,b"],
        log_group: "true",
        max_line_bytes: "100",
        inherit_env: "false",
      },
    );
  });

  it("skips options that are not given", () => {
    assertEquals(optionsLayer({}), {});
    assertEquals(optionsLayer({ command: undefined, env: undefined }), {});
    assertEquals(optionsLayer({ source: undefined, limits: {} }), {});
    const nothing = { command: null, limits: { timeoutMs: null } };
    assertEquals(optionsLayer(nothing as object), {});
  });

  it("uses the option's name as the origin", () => {
    const { fetch_depth } = optionsLayer({ checkout: { fetchDepth: 0 } });
    assertEquals(fetch_depth, {
      value: "0",
      origin: 'option "checkout.fetchDepth"',
    });
  });

  it("rejects unknown options, and suggests a name", () => {
    const wrong: [options: Record<string, unknown>, message: string][] = [
      [
        { fetchDepth: 1 },
        'Unknown option "fetchDepth"; did you mean "checkout.fetchDepth"?',
      ],
      [
        { sourceDirr: "/job" },
        'Unknown option "sourceDirr"; did you mean "sourceDir"?',
      ],
      [
        { limits: { timoutMs: 1 } },
        'Unknown option "limits.timoutMs"; did you mean "limits.timeoutMs"?',
      ],
      [{ constructor: 1 }, 'Unknown option "constructor"'],
      [
        { source: null },
        'Cannot use option "source": it must be an object of options',
      ],
      [
        { plugins: ["npm:x"] },
        'Cannot use option "plugins": it must be an object of options',
      ],
    ];
    for (const [options, message] of wrong) {
      assertThrows(() => optionsLayer(options), TypeError, message);
    }
    assertEquals(optionsLayer({ signal: 1 } as object, ["signal"]), {});
  });
});

describe("createLayer()", () => {
  it("converts every option", () => {
    const layer = createLayer((key) => key.name, (key) => `from ${key.name}`);
    assertEquals(
      Object.keys(layer),
      OPTIONS.map(({ name }) => name) as string[],
    );
    assertEquals(layer.grace, { value: "grace", origin: "from grace" });
  });
});

describe("Settings", () => {
  it("use the last layer and keep the others", () => {
    const settings = new Settings();
    settings.add({
      code_dir: { value: "/job/a", origin: "one" },
      stderr: { value: "merged", origin: "one" },
    });
    settings.add({ code_dir: { value: "", origin: "two" } });
    settings.add({});
    assertEquals(settings.get("code_dir"), { value: "", origin: "two" });
    assertEquals(settings.get("stderr")?.origin, "one");
    assertEquals(settings.get("timeout"), undefined);
    assertEquals(
      settings.all("code_dir").map(({ origin }) => origin),
      ["one", "two"],
    );
    assertEquals(settings.all("timeout"), []);
  });

  it("apply defaults, a file, variables and options in this order", () => {
    const layers: Layer[] = [
      defaultLayer(),
      { code_dir: { value: "/job/file", origin: "job.yaml" } },
      environmentLayer({ REACTORCIDE_CODE_DIR: "/job/env" }),
      optionsLayer({ sourceDir: "/job/option" }),
    ];
    const expected = ["/job/src", "/job/file", "/job/env", "/job/option"];
    const settings = new Settings();
    for (const [at, layer] of layers.entries()) {
      settings.add(layer);
      assertEquals(settings.get("code_dir")?.value, expected[at]);
    }
    assertEquals(
      settings.all("code_dir").map(({ origin }) => origin),
      [
        "the default",
        "job.yaml",
        "REACTORCIDE_CODE_DIR",
        'option "sourceDir"',
      ],
    );
  });
});
