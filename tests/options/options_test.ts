import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { Option } from "../../src/options/option.ts";
import { findOption, OPTIONS } from "../../src/options/options.ts";

const TABLE: readonly Option[] = OPTIONS;

describe("OPTIONS", () => {
  it("has each name, property, flag, variable and key once", () => {
    const columns: Record<string, (row: Option) => readonly string[]> = {
      name: ({ name }) => [name],
      option: ({ option }) => option === undefined ? [] : [option],
      flag: ({ flag }) => flag === undefined ? [] : [flag],
      env: ({ env }) => env === undefined ? [] : [env.name],
      keys: ({ name, keys = [] }) => [name, ...keys],
    };
    for (const [column, valuesOf] of Object.entries(columns)) {
      const values = TABLE.flatMap(valuesOf);
      assertEquals(values, [...new Set(values)], column);
    }
  });

  it("uses the same spelling for names, variables and flags", () => {
    // The placeholder of a repeatable flag is one of the values.
    const one = ["plugins", "plugin_permissions", "problem_matchers"];
    for (const { name, env, flag } of TABLE) {
      if (env) assertEquals(env.name, `REACTORCIDE_${name.toUpperCase()}`);
      if (flag !== undefined && !one.includes(name)) {
        assertEquals(flag, name.replaceAll("_", "-"));
      }
    }
  });

  it("has one line of documentation for each", () => {
    for (const { name, doc, details = "Text." } of TABLE) {
      assert(/^[A-Z][^\n]*[^.\s]$/.test(doc), name);
      assert(/^[A-Z].*\.$/.test(details), name);
    }
  });

  it("has a placeholder for each text value", () => {
    for (const { name, type, flag, valueName } of TABLE) {
      if (type === "text") assertEquals(valueName !== undefined, !!flag, name);
    }
  });

  it("has all settings of the coordinator and the worker", () => {
    const names = [
      ...["code_dir", "job_dir", "job_command", "runner_image", "job_env"],
      ...["secret_values_list", "secret_env_names", "secrets_file"],
      ...["source_type", "source_url", "source_ref", "checkout_mode"],
      ...["ci_source_type", "ci_source_url", "ci_source_ref"],
    ];
    for (const name of names) assert(findOption(name)?.env, name);
  });
});

Deno.test("findOption() only finds names in the table", () => {
  assertEquals(findOption("grace")?.flag, "grace");
  assertEquals(findOption("constructor"), undefined);
  assertEquals(findOption("fetch-depth"), undefined);
});
