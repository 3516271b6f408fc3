import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { parse } from "@std/yaml/parse";
import { readProviders } from "../../src/secrets/providers/provider_definition.ts";
import { isProgramMissing } from "../helpers/missing_program.ts";
import { cliEnv, REPOSITORY, runCli } from "../helpers/cli.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const VALUE = "s3cr3t-of-the-recipe\nin-two-lines";

type Recipes = Record<string, { command?: string[] }>;

/** Reads a block of YAML of docs/secrets.md, below its name. */
async function recipes(name: string): Promise<Recipes> {
  const page = await Deno.readTextFile(`${REPOSITORY}/docs/secrets.md`);
  const [, text] = page.split(`<!-- file: ${name} -->\n\n\`\`\`yaml\n`);
  return parse(text.split("```")[0]) as Recipes;
}

/** Runs a program that prepares a recipe. */
async function prepare(
  argv: readonly string[],
  home: string,
  input: string = "",
): Promise<void> {
  const child = new Deno.Command(argv[0], {
    args: argv.slice(1),
    cwd: home,
    env: { ...cliEnv(), HOME: home, GNUPGHOME: `${home}/gnupg` },
    clearEnv: true,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { success, stderr } = await child.output();
  assert(success, `${argv.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

/** Runs a job with a recipe of the page, whose files are in `home`. */
async function runRecipe(
  home: string,
  name: string,
  reference: string,
): Promise<void> {
  const all = await recipes("tested-providers.yaml");
  const text = JSON.stringify({ [name]: all[name] })
    .replaceAll("/etc/ci", home);
  await makeFiles(home, { "work/": "" });
  const { code, stdout, stderr } = await runCli([
    ...["run", "--secret-env-names", "", "--secret-providers", text],
    ...["--job-env", `A=${reference}`],
    ...["--job-command", 'printf %s "$A" > value; echo "$A"'],
  ], {
    cwd: `${home}/work`,
    env: { HOME: home, GNUPGHOME: `${home}/gnupg` },
  });
  assertEquals([code, stdout], [0, "[REDACTED]\n"], stderr);
  assertStringIncludes(VALUE, await Deno.readTextFile(`${home}/work/value`));
}

Deno.test("the recipe for age decrypts a file", {
  ignore: ["age", "age-keygen"].some(isProgramMissing),
}, async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await prepare(["age-keygen", "-o", "age.key"], path);
  const key = await Deno.readTextFile(`${path}/age.key`);
  const [recipient] = /age1\w+/.exec(key)!;
  await prepare(["age", "-r", recipient, "-o", "app.age"], path, VALUE);
  await runRecipe(path, "age", "${secret:age:app.age:value}");
});

Deno.test("the recipes for gpg and pass decrypt what a key encrypted", {
  ignore: ["gpg", "pass"].some(isProgramMissing),
}, async () => {
  // The path of the agent's socket must be short.
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await makeFiles(path, { "gnupg/": "" });
  await Deno.chmod(`${path}/gnupg`, 0o700);
  try {
    const gpg = ["gpg", "--batch", "--quiet", "--passphrase", ""];
    await prepare([...gpg, "--quick-generate-key", "ci@example.com"], path);
    const encrypt = [...gpg, "-r", "ci@example.com", "--encrypt"];
    await prepare([...encrypt, "-o", "app.gpg"], path, VALUE);
    await runRecipe(path, "gpg", "${secret:gpg:app.gpg:value}");
    await prepare(["pass", "init", "ci@example.com"], path);
    await prepare(["pass", "insert", "-m", "ci/app"], path, VALUE);
    await runRecipe(path, "pass", "${secret:pass:ci/app:value}");
  } finally {
    await prepare(["gpgconf", "--kill", "all"], path);
  }
});

Deno.test("the recipe for git calls the user's credential helper", {
  ignore: isProgramMissing("git"),
}, async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await makeFiles(path, {
    ".gitconfig": `[credential]\n\thelper = store --file ${path}/passwords\n`,
    "passwords": "https://ci:s3cr3t-of-the-recipe@git.example.com\n",
  });
  await runRecipe(
    path,
    "git",
    "${secret:git:https://git.example.com/app.git:password}",
  );
});

Deno.test("a credential helper of docker returns user and secret in one call", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await makeFiles(path, {
    "bin/docker-credential-test":
      `#!/bin/sh\nread -r url; echo "$1 $url" >> ${path}/calls\n` +
      `echo '{"ServerURL":"x","Username":"a-user-name","Secret":"a-secret"}'\n`,
    "work/": "",
  });
  await Deno.chmod(`${path}/bin/docker-credential-test`, 0o755);
  const { code, stdout, stderr } = await runCli([
    ...[
      "run",
      "--secret-env-names",
      "",
      "--job-command",
      'test "$A" = a-secret && echo "$A $B"',
    ],
    ...[
      "--job-env",
      "A=${secret:d:https://r.example.com/v1/:secret}\nB=${secret:d:https://r.example.com/v1/:username}",
    ],
  ], {
    cwd: `${path}/work`,
    env: {
      PATH: `${path}/bin:${cliEnv().PATH}`,
      REACTORCIDE_SECRET_PROVIDERS: '{d: {type: docker, helper: "test"}}',
    },
  });
  assertEquals([code, stdout], [0, "[REDACTED] [REDACTED]\n"], stderr);
  assertEquals(
    await Deno.readTextFile(`${path}/calls`),
    "get https://r.example.com/v1/\n",
  );
});

Deno.test("a pipeline needs permissions for the program of a provider", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await makeFiles(path, {
    "pipeline.ts": `import { runJob } from "@reactorcide/runnerlib";
await runJob({
  command: 'test "$A" = pipeline-secret && echo "$A"',
  env: { A: "\${secret:p:x:value}" },
  secrets: { envNames: [] },
});
`,
  });
  const program = "/usr/bin/printf";
  const options = {
    cwd: path,
    env: {
      REACTORCIDE_SECRET_PROVIDERS:
        `{p: {command: [${program}, pipeline-secret]}}`,
    },
  };
  const denied = await runCli(["exec", "pipeline.ts"], options);
  assertEquals([denied.code, denied.stdout], [1, ""]);
  assertStringIncludes(denied.stderr, `--allow read=${program}`);
  const { code, stdout, stderr } = await runCli([
    ...["exec", "pipeline.ts", "--allow", `read=${program}`],
    ...["--allow", `run=${program}`],
  ], options);
  assertEquals([code, stdout], [0, "[REDACTED]\n"], stderr);
});

Deno.test("all recipes of the page are valid definitions", async () => {
  for (const name of ["tested-providers.yaml", "other-providers.yaml"]) {
    const all = await recipes(name);
    const providers = await readProviders({
      value: JSON.stringify(all),
      origin: name,
      cwd: undefined,
      workspace: "/job",
    });
    assertEquals([...providers.keys()], ["env", ...Object.keys(all)]);
  }
});
