import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  loadConfig,
  readOptions,
  requireValidConfig,
} from "../../src/config/load_config.ts";
import { RunnerError } from "../../src/errors.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

describe("loadConfig()", () => {
  it("lets each layer override those before it, and keeps the origins", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, {
      "job.yaml":
        "command: make\ncheckout: { fetch_depth: 2, lfs: off }\ngrace: 2s\n",
    });
    const { config, settings, error } = await loadConfig(
      {
        env: { REACTORCIDE_FETCH_DEPTH: "3", REACTORCIDE_WAIT: "true" },
        cwd: directory.path,
      },
      {
        jobFile: "job.yaml",
        layer: { grace: { value: "4s", origin: "--grace" } },
      },
    );
    assertEquals(error, undefined);
    assertEquals(config?.command, "make");
    assertEquals(config?.checkout.fetchDepth, 3);
    assertEquals(config?.checkout.lfs, "off");
    assertEquals(config?.limits.graceMs, 4_000);
    assertEquals(config?.wait, true);
    assertEquals(settings.all("grace").map(({ origin }) => origin), [
      "the default",
      "job.yaml",
      "--grace",
    ]);
  });

  it("returns problems instead of throwing them", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, { "job.yaml": "comand: make\n" });
    const host = {
      env: { REACTORCIDE_JOB_ENV: "A=1", REACTORCIDE_FETCH_DEPTH: "deep" },
      cwd: directory.path,
    };
    const invalid = await loadConfig(host, { jobFile: "job.yaml" });
    assertEquals(invalid.error?.code, "invalid-job-file");
    // Secrets of the other layers can be masked.
    assertEquals(invalid.settings.get("job_env")?.value, "A=1");
    assertEquals(invalid.config, undefined);
    assertEquals(invalid.problems.map(({ key }) => key).sort(), [
      "fetch_depth",
      "job_command",
    ]);
    assertThrows(
      () => requireValidConfig(invalid),
      RunnerError,
      "job_command: is",
    );
  });

  it("does not require a command to validate other options", async () => {
    const host = { env: {}, cwd: "/" };
    const { config } = await loadConfig(host, {}, { needsCommand: false });
    assertEquals(config?.command, undefined);
    const { problems } = await loadConfig(host, {
      layer: { job_command: { value: " ", origin: "--job-command" } },
    }, { needsCommand: false });
    assertEquals(problems.map(({ message }) => message), ["must not be empty"]);
  });

  it("reports an invalid variable that only clean-up uses", async () => {
    const { error } = await loadConfig({
      env: { REACTORCIDE_VCS_AUTH_CLEANUP: "perhaps" },
      cwd: "/",
    }, {});
    assertEquals(error?.code, "invalid-config");
  });
});

describe("readOptions()", () => {
  it("reads some options even if others are invalid", () => {
    const host = {
      env: {
        REACTORCIDE_TRIGGERS_FILE: "/job/next.json",
        REACTORCIDE_FETCH_DEPTH: "deep",
        REACTORCIDE_TRIGGER_TRANSPORT: "",
        REACTORCIDE_COORDINATOR_TIMEOUT: "",
      },
      cwd: "/",
    };
    assertEquals(
      readOptions(host, [
        "triggers_file",
        "trigger_transport",
        "coordinator_timeout",
      ]),
      {
        triggers_file: "/job/next.json",
        // An empty variable has no value.
        trigger_transport: "auto",
        coordinator_timeout: 30_000,
      },
    );
    assertThrows(
      () => readOptions(host, ["fetch_depth"]),
      RunnerError,
      'not "deep" (from REACTORCIDE_FETCH_DEPTH)',
    );
  });
});
