import { assertEquals } from "@std/assert";
import { formatText } from "../../scripts/docs/fill_page.ts";
import { jobOptionsSource } from "../../scripts/docs/job_options.ts";
import type { JobOptions } from "../../src/config/job_options.ts";
import type { SecretProviderOptions } from "../../src/config/secret_providers.ts";
import type { PluginGrants } from "../../src/config/text_values.ts";
import type { OptionValues } from "../../src/options/options.ts";

/** `true` if each type can be assigned to the other one. */
type AreAlike<A, B> = [A, B] extends [B, A] ? true : false;

type AllRequired<T> = { [Key in keyof T]-?: NonNullable<T[Key]> };

type Groups<T> = { [Group in keyof T]: AllRequired<T[Group]> };

/**
 * What the options hold, once validated; grants are lines then, and secret
 * providers are text.
 */
type Values = Omit<OptionValues, "plugins" | "secrets"> & {
  secrets: Omit<OptionValues["secrets"], "providers"> & {
    providers: string | SecretProviderOptions;
  };
  plugins: Omit<OptionValues["plugins"], "permissions"> & {
    permissions: PluginGrants;
  };
};

Deno.test("the interfaces of a job's options have the values of the table", () => {
  const areAlike: AreAlike<
    Groups<AllRequired<JobOptions>>,
    Groups<AllRequired<Values>>
  > = true;
  assertEquals(areAlike, true);
});

Deno.test("the interfaces of a job's options match the table", async () => {
  const url = new URL("../../src/config/job_options.ts", import.meta.url);
  assertEquals(
    await Deno.readTextFile(url),
    await formatText(jobOptionsSource(), "ts"),
  );
});
