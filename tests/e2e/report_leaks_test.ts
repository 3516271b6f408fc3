/**
 * No report shows a secret of its run, in any form in which a step printed it.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { FORMATS } from "../../src/report/formats/formats.ts";
import { runMain } from "../helpers/run_main.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** Has characters that each of the encoders below changes. */
const SECRET = `p@ss/"w0rd"+<q>&'é=\\7`;

const BYTES = [...new TextEncoder().encode(SECRET)];

function each(encode: (byte: number) => string, separator = ""): string {
  return BYTES.map(encode).join(separator);
}

function digits(radix: number, length: number): (byte: number) => string {
  return (byte) => byte.toString(radix).padStart(length, "0");
}

function base64(prefix = ""): string {
  const bytes = [...new TextEncoder().encode(prefix), ...BYTES];
  return btoa(String.fromCharCode(...bytes));
}

/** The secret as encoders write it, from their specifications. */
const FORMS: Readonly<Record<string, string>> = {
  plain: SECRET,
  "JSON string": JSON.stringify(SECRET).slice(1, -1),
  "JSON string in a JSON string": JSON.stringify(JSON.stringify(SECRET)),
  "JSON of ASCII": JSON.stringify(SECRET).slice(1, -1)
    .replace("é", "\\u00e9"),
  base64: base64(),
  "base64, shifted by one": base64("a"),
  "base64, shifted by two": base64("ab"),
  "base64 for URLs": base64().replaceAll("+", "-").replaceAll("/", "_")
    .replaceAll("=", ""),
  "percent encoding": encodeURIComponent(SECRET),
  "percent encoding of all bytes": each((byte) => `%${digits(16, 2)(byte)}`),
  "form encoding": new URLSearchParams({ "": SECRET }).toString().slice(1),
  hexadecimal: each(digits(16, 2)),
  "hexadecimal in capitals": each(digits(16, 2)).toUpperCase(),
  "hexadecimal with colons": each(digits(16, 2), ":"),
  "hexadecimal escapes": each((byte) => `\\x${digits(16, 2)(byte)}`),
  "octal escapes": each((byte) => `\\${digits(8, 3)(byte)}`),
  "Unicode escapes": [...SECRET].map((character) =>
    `\\u${digits(16, 4)(character.charCodeAt(0))}`
  ).join(""),
  "HTML entities": SECRET.replace(
    /[&<>"']/g,
    (character) =>
      ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" })[
        character
      ]!,
  ),
  "decimal entities": [...SECRET].map((character) =>
    `&#${character.charCodeAt(0)};`
  ).join(""),
  "shell quotes": `'${SECRET.replaceAll("'", "'\\''")}'`,
  "quotes of CSV": SECRET.replaceAll('"', '""'),
  "a list of bytes": each(String, ", "),
};

/**
 * The first and last characters of base64 depend on what is beside the secret.
 */
const PARTS: Readonly<Record<string, string>> = {
  ...FORMS,
  "base64, shifted by one": base64("a").slice(2, -4),
  "base64, shifted by two": base64("ab").slice(3, -4),
};

/** How a format can write the text of a log. */
const WRITINGS: readonly ((text: string) => string)[] = [
  (text) => text,
  (text) => JSON.stringify(text).slice(1, -1),
  (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;"),
  (text) =>
    text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")
      .replaceAll(">", "&gt;").replaceAll('"', "&quot;")
      .replaceAll("'", "&#39;"),
];

Deno.test("no report shows a secret, in any form that a step printed", async () => {
  await using directory = await temporaryDirectory();
  const { path: cwd } = directory;
  const formats = Object.keys(FORMATS);
  await makeFiles(cwd, {
    "job.yaml": `
failure_policy: continue
steps:
${
      Object.keys(FORMS).map((_, index) =>
        `  - name: step ${index}\n    run: cat form${index}; exit 1\n`
      ).join("")
    }`,
    ...Object.fromEntries(
      Object.values(FORMS).map((form, index) => [
        `form${index}`,
        `begin ${index}\n[${form}]\nend\n`,
      ]),
    ),
  });
  const run = await runMain([
    "run",
    ...formats.flatMap((format) => ["--report", `${format}=report.${format}`]),
    "--annotate",
    "github",
  ], { cwd, env: { DEPLOY_TOKEN: SECRET } });
  assertEquals(run.code, 1, run.stderr);
  const texts: Record<string, string> = {
    stdout: run.stdout,
    stderr: run.stderr,
    record: await Deno.readTextFile(`${cwd}/job/artifacts/run.jsonl`),
  };
  for (const format of formats) {
    texts[format] = await Deno.readTextFile(`${cwd}/report.${format}`);
  }
  const leaks = Object.entries(texts).flatMap(([where, text]) =>
    Object.entries(PARTS)
      .filter(([, form]) =>
        WRITINGS.some((write) => text.includes(write(form)))
      )
      .map(([form]) => `${where}: ${form}`)
  );
  assertEquals(leaks, []);
  // The reports with logs have all of them, with the secrets masked.
  for (const where of ["record", "markdown", "html", "junit", "table"]) {
    assert(texts[where].includes("[REDACTED]"), where);
  }
  for (const index of Object.keys(FORMS).keys()) {
    assert(texts.record.includes(`begin ${index}`), `step ${index}`);
  }
});
