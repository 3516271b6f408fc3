import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { environmentLayer } from "../../src/config/settings.ts";
import type { JobConfig } from "../../src/config/job_config.ts";
import { validateSettings } from "../../src/config/load_config.ts";
import {
  createSettings,
  type GivenValues,
  listProblems,
  validate,
} from "../helpers/settings.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";
import { OptionReader } from "../../src/config/option_reader.ts";

describe("validateSettings()", () => {
  it("returns the defaults for a job that has only a command", () => {
    const { config, problems, warnings } = validate({
      job_command: "make test",
    });
    assertEquals(problems, []);
    assertEquals(warnings, []);
    assertEquals({ ...config, env: { ...config?.env } }, {
      command: "make test",
      sourceDir: "/job/src",
      cwd: "/job/src",
      isCwdChosen: false,
      artifactsDir: "/job/artifacts",
      source: { type: "none" },
      ciSource: { type: "none" },
      checkout: {
        mode: "isolated",
        fetchDepth: 1,
        filter: undefined,
        sparsePaths: undefined,
        submodules: "off",
        lfs: "auto",
        mirror: undefined,
      },
      copy: { ignore: undefined },
      archive: {
        stripTop: false,
        maxEntries: 1_000_000,
        maxBytes: 17_179_869_184,
        maxRatio: 200,
        timeoutMs: 3_600_000,
      },
      env: {},
      secrets: {
        envNames: undefined,
        values: undefined,
        providers: undefined,
        envPatterns: [
          "*TOKEN",
          "*_PAT",
          "*PASSWORD",
          "*PASSWD",
          "*PASSPHRASE",
          "*SECRET",
          "*PRIVATE_KEY",
          "*ACCESS_KEY",
          "*API_KEY",
          "*__AUTH",
          "*_AUTH_CONFIG",
          "*_CONNECTION_STRING",
        ],
        minBytes: 3,
        mask: true,
      },
      runnerImage: undefined,
      shell: undefined,
      plugins: {
        dir: undefined,
        urls: [],
        permissions: [],
        timeoutMs: undefined,
        trust: false,
      },
      triggers: {
        file: "/job/triggers.json",
        transport: "auto",
        coordinatorTimeoutMs: 30_000,
      },
      limits: {
        timeoutMs: undefined,
        graceMs: 10_000,
        concurrency: undefined,
      },
      failurePolicy: "finish",
      failOnFlaky: false,
      selection: {
        only: undefined,
        from: undefined,
        skip: undefined,
        rerunFailed: false,
      },
      debug: { shellOnFailure: false, breakpoints: undefined },
      wait: false,
      output: {
        stderr: "merged",
        group: false,
        maxLineBytes: undefined,
        record: undefined,
        timestamps: false,
        otel: false,
        otelLogs: false,
        profile: false,
        reports: [],
        compareWith: undefined,
        annotate: "auto",
        problemMatchers: [],
      },
      inheritEnv: true,
      cache: {
        mode: "read-write",
        explain: false,
        audit: false,
        store: undefined,
        maxBytes: 10_737_418_240,
        namespace: "local",
        readFrom: undefined,
      },
    });
  });

  it("converts every value to its type", () => {
    const { config, problems } = validate({
      job_command: ["make", "all"],
      code_dir: "/job/./x/",
      job_dir: "/job/x//y/../z",
      artifacts_dir: "/job/out",
      triggers_file: "/job/out/next.json",
      source_type: "git",
      source_url: "https://host/x",
      source_ref: "main",
      ci_source_type: "copy",
      ci_source_url: "/ci",
      checkout_mode: "shared",
      fetch_depth: "0",
      git_filter: "blob:none",
      sparse_paths: "src, docs/api,",
      submodules: "recursive",
      git_lfs: "off",
      git_mirror: "mirrors",
      copy_ignore: "*.o, build/",
      archive_strip_top: "true",
      archive_max_entries: "10",
      archive_max_bytes: "20",
      archive_max_ratio: "30",
      archive_timeout: "90s",
      job_env: "A=1\nB=2",
      secret_env_names: " A ,,B ",
      secret_values_list: "one, two,",
      secret_providers: "providers.yaml",
      secret_env_patterns: "*_PIN, X*",
      mask_min_length: "8",
      mask: "false",
      plugin_dir: "plugins",
      plugins: "npm:a@1#h\n\nnpm:b@1#h",
      plugin_permissions: ["a:net=x"],
      plugin_timeout: "1m",
      trust_plugins: "true",
      trigger_transport: "file",
      coordinator_timeout: "1.5s",
      runner_image: "image:1",
      stderr: "separate",
      timeout: "1h30m",
      grace: "0",
      concurrency: "1024",
      failure_policy: "kill",
      fail_on_flaky: "true",
      only: " a ,,b c ",
      from: ["d", "e"],
      skip: "f",
      rerun_failed: "true",
      shell_on_failure: "true",
      break: "before:a,after:b c",
      wait: "true",
      log_group: "true",
      max_line_bytes: "80",
      timestamps: "true",
      record: "out.jsonl",
      otel: "true",
      otel_logs: "true",
      profile: "true",
      report: "junit=a.xml,table",
      compare_with: "before.jsonl",
      annotate: "gitlab",
      problem_matchers: "eslint.json, /job/ci/tsc.json",
      inherit_env: "PATH, LANG",
      cache: "read-only",
      cache_explain: "true",
      cache_audit: "true",
      cache_store: "/store",
      cache_max_bytes: "5",
      cache_namespace: "main",
      cache_read_from: "a, b",
    });
    assertEquals(problems, []);
    assertEquals({ ...config, env: { ...config?.env } }, {
      command: ["make", "all"],
      sourceDir: "/job/x",
      cwd: "/job/x/z",
      isCwdChosen: true,
      artifactsDir: "/job/out",
      source: { type: "git", url: "https://host/x", ref: "main" },
      ciSource: { type: "copy", url: "/ci" },
      checkout: {
        mode: "shared",
        fetchDepth: 0,
        filter: "blob:none",
        sparsePaths: ["src", "docs/api"],
        submodules: "recursive",
        lfs: "off",
        mirror: "mirrors",
      },
      copy: { ignore: ["*.o", "build/"] },
      archive: {
        stripTop: true,
        maxEntries: 10,
        maxBytes: 20,
        maxRatio: 30,
        timeoutMs: 90_000,
      },
      env: { A: "1", B: "2" },
      secrets: {
        envNames: ["A", "B"],
        providers: "providers.yaml",
        values: ["one", "two"],
        envPatterns: ["*_PIN", "X*"],
        minBytes: 8,
        mask: false,
      },
      runnerImage: "image:1",
      shell: undefined,
      plugins: {
        dir: "plugins",
        urls: ["npm:a@1#h", "npm:b@1#h"],
        permissions: ["a:net=x"],
        timeoutMs: 60_000,
        trust: true,
      },
      triggers: {
        file: "/job/out/next.json",
        transport: "file",
        coordinatorTimeoutMs: 1_500,
      },
      limits: { timeoutMs: 5_400_000, graceMs: 0, concurrency: 1_024 },
      failurePolicy: "kill",
      failOnFlaky: true,
      selection: {
        only: ["a", "b c"],
        from: ["d", "e"],
        skip: ["f"],
        rerunFailed: true,
      },
      debug: { shellOnFailure: true, breakpoints: ["before:a", "after:b c"] },
      wait: true,
      output: {
        stderr: "separate",
        group: true,
        maxLineBytes: 80,
        record: "out.jsonl",
        timestamps: true,
        otel: true,
        otelLogs: true,
        profile: true,
        reports: ["junit=a.xml", "table"],
        compareWith: "before.jsonl",
        annotate: "gitlab",
        problemMatchers: ["eslint.json", "/job/ci/tsc.json"],
      },
      inheritEnv: ["PATH", "LANG"],
      cache: {
        mode: "read-only",
        explain: true,
        audit: true,
        store: "/store",
        maxBytes: 5,
        namespace: "main",
        readFrom: ["a", "b"],
      },
    });
  });

  it("reports all problems at once, with key, origin and allowed values", () => {
    const settings = createSettings();
    settings.add(environmentLayer({
      REACTORCIDE_CODE_DIR: "/job/../etc",
      REACTORCIDE_SOURCE_TYPE: "cvs",
      REACTORCIDE_SOURCE_URL: "x",
      REACTORCIDE_CI_SOURCE_TYPE: "git",
      REACTORCIDE_CHECKOUT_MODE: "both",
      REACTORCIDE_JOB_ENV: "=1",
    }));
    settings.set("grace", { value: "soon", origin: "--grace" });
    settings.set("stderr", { value: "", origin: "--stderr" });
    const { config, problems } = validateSettings(settings, { cwd: "/" });
    assertEquals(config, undefined);
    const sorted = problems.toSorted((a, b) => a.key < b.key ? -1 : 1);
    assertEquals(sorted, [
      {
        key: "checkout_mode",
        message: 'must be "isolated" or "shared", not "both"',
        origin: "REACTORCIDE_CHECKOUT_MODE",
      },
      {
        key: "ci_source_url",
        message: 'is required for ci_source_type "git"',
        origin: undefined,
      },
      {
        key: "code_dir",
        message: 'must be "/job" or a path below it, not "/job/../etc"',
        origin: "REACTORCIDE_CODE_DIR",
      },
      {
        key: "grace",
        message: 'must be a duration such as "90s", "15m" or "2h", not "soon"',
        origin: "--grace",
      },
      {
        key: "job_command",
        message: "is required, unless the job has steps",
        origin: undefined,
      },
      {
        key: "job_env",
        message: 'a variable needs a name before "="',
        origin: "REACTORCIDE_JOB_ENV",
      },
      {
        key: "source_type",
        message:
          'must be "none", "git", "copy", "tarball", "hg" or "svn", not "cvs"',
        origin: "REACTORCIDE_SOURCE_TYPE",
      },
      {
        key: "stderr",
        message: 'must be "merged" or "separate", not ""',
        origin: "--stderr",
      },
    ]);
  });

  it("treats an empty variable as set, as workers expect", () => {
    const settings = createSettings({
      job_command: "true",
      job_dir: "/job/x",
      source_type: "git",
      source_url: "https://host/x",
      source_ref: "main",
      runner_image: "image:1",
    });
    settings.add(environmentLayer({
      REACTORCIDE_JOB_DIR: "",
      REACTORCIDE_SOURCE_TYPE: "",
      REACTORCIDE_CI_SOURCE_TYPE: "",
      REACTORCIDE_RUNNER_IMAGE: "",
      REACTORCIDE_SECRET_VALUES_LIST: "",
      REACTORCIDE_SECRET_ENV_NAMES: "",
      REACTORCIDE_CONCURRENCY: "",
      REACTORCIDE_MAX_LINE_BYTES: "",
    }));
    const { config, problems } = validateSettings(settings, { cwd: "/" });
    assertEquals(problems, []);
    assertEquals(config?.cwd, "/job/src");
    assertEquals([config?.source, config?.ciSource], [
      { type: "none" },
      { type: "none" },
    ]);
    assertEquals(config?.runnerImage, undefined);
    assertEquals(config?.limits.concurrency, undefined);
    assertEquals(config?.output.maxLineBytes, undefined);
    assertEquals(config?.secrets.values, [], "explicit, though empty");
    assertEquals(config?.secrets.envNames, [], "explicit, though empty");
  });
});

describe("validateSettings() validates the command", () => {
  it("if it is missing or empty", () => {
    for (const command of ["", " \n\t", [], [""], ["", "x"]]) {
      assertEquals(listProblems({ job_command: command }), [
        "job_command: must not be empty",
      ]);
    }
    const { problems } = validateSettings(createSettings(), { cwd: "/" });
    assertEquals(problems.map(({ message }) => message), [
      "is required, unless the job has steps",
    ]);
  });

  it("and refuses a NUL character, which no program can get", () => {
    for (const command of ["a\0b", ["a", "b\0"], ["a", "", "\0"]]) {
      assertEquals(listProblems({ job_command: command }), [
        "job_command: must not contain a NUL character",
      ]);
    }
  });

  it("and accepts the escape of a NUL character", () => {
    for (const command of ["printf '\\u0000'", ["printf", "\\u0000", "\\0"]]) {
      assertEquals(listProblems({ job_command: command }), []);
    }
  });

  it("and does not change it", () => {
    for (const command of ["  a  b\n", ["a", "", " b "]]) {
      assertEquals(validate({ job_command: command }).config?.command, command);
    }
  });
});

describe("validateSettings() validates paths", () => {
  const keys = ["code_dir", "job_dir", "artifacts_dir", "triggers_file"];
  const hostile = [
    "/job/../etc",
    "/job/..",
    "/job/src/../../etc",
    "/jobs",
    "/jobs/src",
    "/job-x",
    "/",
    "/etc",
    "job/src",
    "./job/src",
    "../job",
    ".",
    " /job",
    "~/job",
    "C:\\job",
    "/JOB",
    "/job/a\0b",
  ];

  for (const key of keys) {
    it(`of ${key}`, () => {
      for (const path of hostile) {
        const problems = listProblems({ [key]: path } as GivenValues);
        assertEquals(problems.length, 1, path);
        assert(problems[0].startsWith(`${key}: must `), problems[0]);
        assert(
          problems[0].endsWith(`not ${JSON.stringify(path)}`),
          problems[0],
        );
      }
    });
  }

  it("that are empty", () => {
    for (const key of ["code_dir", "artifacts_dir", "triggers_file"]) {
      assertEquals(listProblems({ [key]: "" }), [
        `${key}: must not be empty`,
      ]);
    }
    assertEquals(listProblems({ job_dir: "" }), [], "the code directory then");
  });

  it("and normalizes them", () => {
    const paths = {
      "/job": "/job",
      "/job/": "/job",
      "//job///src/.": "/job/src",
      "/job/a/../b": "/job/b",
      "/job/..a/...": "/job/..a/...",
      "/x/../job/é ß": "/job/é ß",
    };
    for (const [path, form] of Object.entries(paths)) {
      const { config } = validate({ code_dir: path });
      assertEquals(config?.sourceDir, form, path);
      assertEquals(config?.cwd, form, "follows the code directory");
      assertEquals(config?.isCwdChosen, true);
    }
  });
});

describe("validateSettings() validates sources", () => {
  for (const prefix of ["", "ci_"]) {
    const given = (type: string, url?: string): GivenValues => ({
      [`${prefix}source_type`]: type,
      ...url === undefined ? {} : { [`${prefix}source_url`]: url },
    });

    it(`${prefix}source without a URL`, () => {
      for (const type of ["git", "copy", "tarball", "hg", "svn"]) {
        for (const url of [undefined, ""]) {
          assertEquals(listProblems(given(type, url)), [
            `${prefix}source_url: is required for ${prefix}source_type "${type}"`,
          ]);
        }
      }
      assertEquals(listProblems(given("none")), []);
    });

    it(`${prefix}source of an unknown type`, () => {
      for (const type of ["cvs", "Git", "git ", "constructor"]) {
        assertEquals(listProblems(given(type, "x")), [
          `${prefix}source_type: must be "none", "git", "copy", ` +
          `"tarball", "hg" or "svn", not ${JSON.stringify(type)}`,
        ]);
      }
    });

    it(`${prefix}source of a registered type`, () => {
      const settings = createSettings({ job_command: "true", ...given("p4") });
      for (const sourceTypes of [["p4"], "any"] as const) {
        const { config } = validateSettings(settings, {
          cwd: "/",
          sourceTypes,
        });
        assertEquals(
          prefix === "" ? config?.source : config?.ciSource,
          { type: "p4", url: "" },
        );
      }
      for (const type of ["P4", "p 4", "git"]) {
        const wrong = createSettings({ job_command: "true", ...given(type) });
        assertEquals(
          validateSettings(wrong, { cwd: "/", sourceTypes: "any" }).problems
            .length,
          1,
          type,
        );
      }
    });

    it(`${prefix}source of an unknown type, without other problems`, () => {
      assertEquals(listProblems(given("svn")).length, 1);
    });
  }

  it("that are no longer used", () => {
    const { config } = validate({ source_type: "none", source_url: "x" });
    assertEquals(config?.source, { type: "none" });
  });
});

describe("validateSettings() validates choices and durations", () => {
  it("checkout_mode", () => {
    for (const mode of ["isolated", "shared"]) {
      assertEquals(listProblems({ checkout_mode: mode }), []);
    }
    for (const mode of ["", "Shared", "none"]) {
      assertEquals(listProblems({ checkout_mode: mode }).length, 1, mode);
    }
  });

  it("stderr", () => {
    assertEquals(
      validate({ stderr: "separate" }).config?.output.stderr,
      "separate",
    );
    assertEquals(listProblems({ stderr: "2" }).length, 1);
  });

  it("timeout and grace", () => {
    const { config } = validate({ timeout: "250ms", grace: "2" });
    assertEquals([config?.limits.timeoutMs, config?.limits.graceMs], [
      250,
      2_000,
    ]);
    const long = validate({ timeout: "720h", grace: "36500d" });
    assertEquals([long.config?.limits.timeoutMs, long.config?.limits.graceMs], [
      2_592_000_000,
      3_153_600_000_000,
    ]);
    assertEquals(listProblems({ timeout: "36501d" }), [
      'timeout: must be at most "36500d" (100 years), not "36501d"',
    ]);
    for (const time of ["", "x", "-1s", "1 h"]) {
      assertEquals(listProblems({ timeout: time, grace: time }), [
        ...["timeout", "grace"].map((key) =>
          `${key}: must be a duration such as "90s", "15m" or "2h", not ${
            JSON.stringify(time)
          }`
        ),
      ]);
    }
  });
});

describe("validateSettings() validates the options of steps", () => {
  it("counts", () => {
    const limits = {
      concurrency: [1, 1_024],
      max_line_bytes: [80, 999_999_999],
    };
    for (const [key, [least, most]] of Object.entries(limits)) {
      for (const right of [`${least}`, `${most}`, `0${least}`, ""]) {
        assertEquals(listProblems({ [key]: right }), [], right);
      }
      for (
        const wrong of [`${least - 1}`, `${most + 1}`, "-1", "+9", "1e2", "x"]
      ) {
        assertEquals(listProblems({ [key]: wrong }), [
          `${key}: must be a whole number from ${least} to ${most}, not "${wrong}"`,
        ]);
      }
    }
  });

  it("booleans", () => {
    assertEquals(validate({ log_group: "false" }).config?.output.group, false);
    for (const key of ["log_group", "trust_plugins", "mask"] as const) {
      for (const wrong of ["yes", "True", "1", " true"]) {
        assertEquals(listProblems({ [key]: wrong }), [
          `${key}: must be true or false, not "${wrong}"; did you mean true?`,
        ]);
      }
    }
  });

  it("failure policies", () => {
    assertEquals(listProblems({ failure_policy: "stop" }), [
      'failure_policy: must be "finish", "continue" or "kill", not "stop"',
    ]);
  });

  it("breakpoints", () => {
    assertEquals(listProblems({ break: "before:a,build" }), [
      'break: must be "before:" or "after:" followed by the name of a step, not "build"',
    ]);
  });

  it("step names, which may be empty", () => {
    for (const key of ["only", "from", "skip"] as const) {
      for (const none of ["", " , ", []]) {
        assertEquals(
          validate({ [key]: none }).config?.selection[key],
          undefined,
        );
      }
    }
  });

  it("inherited variables", () => {
    const given = {
      true: true,
      false: false,
      "A": ["A"],
      " A , _b1 ": ["A", "_b1"],
    };
    for (const [text, inheritEnv] of Object.entries(given)) {
      assertEquals(
        validate({ inherit_env: text }).config?.inheritEnv,
        inheritEnv,
      );
    }
    assertEquals(validate({ inherit_env: [] }).config?.inheritEnv, []);
    for (const wrong of ["", "yes", "No", "off", "True", "A=1", "1A", "A B"]) {
      assertEquals(listProblems({ inherit_env: wrong }), [
        `inherit_env: must be true, false or names of variables, not "${wrong}"`,
      ]);
    }
  });
});

describe("validateSettings() chooses between steps and a command", () => {
  const steps = [{ name: "a", run: "true" }];
  const judgeSteps = (origin?: string) => {
    const settings = createSettings();
    if (origin) settings.set("job_command", { value: "make", origin });
    return validateSettings(settings, { cwd: "/", steps });
  };

  it("and requires no command if there are steps", () => {
    const { config, problems, warnings } = judgeSteps();
    assertEquals(problems, []);
    assertEquals(warnings, []);
    assertEquals(config?.command, undefined);
    assertEquals(config?.steps, steps);
  });

  it("and prefers the command of the caller, with a warning", () => {
    for (const origin of ["--job-command", 'option "command"', "a plugin"]) {
      const { config, warnings } = judgeSteps(origin);
      assertEquals(warnings, [
        "job_command: replaces the steps of the job file",
      ]);
      assertEquals(config?.command, "make");
      assertEquals(config?.steps, undefined);
    }
  });

  it("but not the command that a worker sets for every job", () => {
    const { config, warnings } = judgeSteps("REACTORCIDE_JOB_COMMAND");
    assertEquals(warnings, []);
    assertEquals(config?.command, undefined);
    assertEquals(config?.steps, steps);
  });
});

describe("validateSettings() merges the variables of the job", () => {
  it("by name, in the order of the layers", () => {
    const settings = createSettings(
      { job_command: "true", job_env: { A: "file", B: "file", C: "file" } },
      { job_env: "B=variable\nC=variable" },
      { job_env: { C: "option", D: " kept " } },
    );
    const { config, problems } = validateSettings(settings, { cwd: "/" });
    assertEquals(problems, []);
    assertEquals({ ...config?.env }, {
      A: "file",
      B: "variable",
      C: "option",
      D: " kept ",
    });
  });

  it("and reports the problems of each layer", () => {
    const settings = createSettings({ job_command: "true" });
    settings.set("job_env", { value: "A", origin: "one" });
    settings.set("job_env", { value: "B=1\nC", origin: "two" });
    const { problems } = validateSettings(settings, { cwd: "/" });
    assertEquals(problems, [
      { key: "job_env", message: 'line 1 has no "="', origin: "one" },
      { key: "job_env", message: 'line 2 has no "="', origin: "two" },
    ]);
  });

  it("and does not pollute prototypes", () => {
    const { config } = validate({ job_env: "__proto__=x\nconstructor=y" });
    assertEquals(Object.keys(config!.env), ["__proto__", "constructor"]);
    assertEquals(({} as Record<string, unknown>).x, undefined);
    assertEquals(Object.getPrototypeOf({}), Object.prototype);
  });
});

describe("validateSettings() reads secrets", () => {
  it("from a list of the library, including commas", () => {
    const { config } = validate({
      secret_values_list: ["a,b", " c "],
      secret_env_names: ["A", "B"],
    });
    assertEquals(config?.secrets.values, ["a,b", " c "]);
    assertEquals(config?.secrets.envNames, ["A", "B"]);
  });

  it("from a file below ./job with one per line", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, {
      "job/secrets": "one,1\n\n  two  \r\n# three\n#four\n",
    });
    const { config } = validate(
      { secret_values_list: "./job/secrets" },
      directory.path,
    );
    assertEquals(config?.secrets.values, ["one,1", "two"]);
  });

  it("but not from a file that is missing or elsewhere", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, { "job/": "", "outside": "secret" });
    for (const path of ["./job/none", "./job/../outside"]) {
      const problems = listProblems(
        { secret_values_list: path },
        directory.path,
      );
      assertEquals(problems.length, 1, path);
      assert(problems[0].startsWith("secret_values_list: "), problems[0]);
      assert(!problems[0].includes(directory.path), problems[0]);
    }
  });
});

describe("validateSettings() warns about", () => {
  it("an image that is not pinned or contains white space", () => {
    const images: Record<string, number> = {
      "host:5000/image:1.2": 0,
      "image@sha256:0123": 0,
      "image": 1,
      "image:latest": 1,
      "host:5000/image": 1,
      " image:1 ": 1,
      "an image": 2,
    };
    for (const [image, count] of Object.entries(images)) {
      assertEquals(
        validate({ runner_image: image }).warnings.length,
        count,
        image,
      );
    }
  });

  it("variables that replace system variables or are very long", () => {
    const { warnings } = validate({
      job_env: {
        PATH: "p4th",
        HOME: "h0me",
        USER: "us3r",
        A: "x".repeat(1_001),
      },
    });
    assertEquals(warnings.length, 4);
    for (const name of ["PATH", "HOME", "USER", "A"]) {
      assert(warnings.some((warning) => warning.includes(name)), name);
    }
    assert(!/p4th|h0me|us3r|xxxx/.test(warnings.join()), "tells a value");
    assertEquals(validate({ job_env: { A: "x".repeat(1_000) } }).warnings, []);
  });
});

describe("validateSettings() reads lists", () => {
  const READ = {
    copy_ignore: ({ copy }) => copy.ignore,
    sparse_paths: ({ checkout }) => checkout.sparsePaths,
    secret_env_names: ({ secrets }) => secrets.envNames,
    secret_env_patterns: ({ secrets }) => secrets.envPatterns,
    secret_values_list: ({ secrets }) => secrets.values,
    only: ({ selection }) => selection.only,
    from: ({ selection }) => selection.from,
    skip: ({ selection }) => selection.skip,
  } as const satisfies Record<string, (config: JobConfig) => unknown>;
  const read = (key: keyof typeof READ, value: string | readonly string[]) =>
    READ[key](validate({ [key]: value }).config!);

  it("and keeps each item with any content", () => {
    for (const key of Object.keys(READ) as (keyof typeof READ)[]) {
      const items = ["a,b", "c", " d ", '["e"]'];
      assertEquals(read(key, items), items, key);
      assertEquals(read(key, JSON.stringify(items)), items, key);
      assertEquals(read(key, " a ,,b "), ["a", "b"], key);
      assertEquals(read(key, "[a],b"), ["[a]", "b"], key);
      assertEquals(listProblems({ [key]: '["a", 1]' }), [
        `${key}: must be a comma-separated list or a JSON list of strings`,
      ]);
    }
  });

  it("and does not accept commas alone as no secrets", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, { "job/secrets": "# none\n\n" });
    for (const value of [",", " ", ["", ""], "./job/secrets"]) {
      const { config, warnings } = validate(
        { secret_values_list: value, secret_env_names: [",", ""].slice(1) },
        directory.path,
      );
      assertEquals(config!.secrets.values, undefined);
      assertEquals(config!.secrets.envNames, undefined);
      assertEquals(warnings, [
        "secret_values_list: contains no values and has no effect",
      ]);
    }
  });
});

describe("OptionReader", () => {
  it("returns the default if a value is invalid", () => {
    const reader = new OptionReader(
      createSettings({
        secret_env_patterns: '["*", 1]',
        mask_min_length: "hunter2",
        mask: "perhaps",
        grace: "soon",
        timeout: "soon",
      }),
      { cwd: "/" },
    );
    assert(reader.read("secret_env_patterns").includes("*TOKEN"));
    assertEquals(reader.read("mask_min_length"), 3);
    assertEquals(reader.read("mask"), true);
    assertEquals(reader.read("grace"), 10_000);
    assertEquals(reader.read("timeout"), undefined);
    assertEquals(reader.problems.length, 5);
  });
});
