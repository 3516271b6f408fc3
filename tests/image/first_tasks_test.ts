import { assertEquals, assertMatch } from "@std/assert";
import { describeImage } from "../helpers/image.ts";
import { newcomerShell } from "../helpers/newcomer.ts";
import { temporaryDirectory } from "../helpers/temporary_directory.ts";

/** Commands of the pages that a newcomer types, and the expected output. */
const TASKS: Record<string, { script: string; sees: RegExp[] }> = {
  "run make test with a masked token": {
    script: `
printf 'test:\\n\\t@echo testing with $(API_TOKEN)\\n' > Makefile
API_TOKEN=t0k3n-value-123 runnerlib run -- make test
`,
    sees: [/^testing with \[REDACTED\]$/m],
  },
  "run four steps with a matrix and outputs": {
    script: `
runnerlib init
cat > job.yaml <<'END'
steps:
  - name: version
    run: runnerlib output set number=1.2.3
  - name: lint
    run: echo linted
  - name: test
    needs: [version]
    matrix: { NODE_VERSION: [20, 22] }
    run: echo "Node $NODE_VERSION"
  - name: build
    needs: [version, lint, test]
    run: echo "built $REACTORCIDE_OUTPUT_VERSION_NUMBER"
END
runnerlib run
`,
    sees: [/Node 20/, /Node 22/, /built 1\.2\.3/, /✓ build/],
  },
  "run a pipeline in TypeScript with a plugin": {
    script: `
runnerlib init pipeline
cat > pipeline.ts <<'END'
import { registerPlugin, runJob } from "@reactorcide/runnerlib";

registerPlugin({
  name: "shout",
  postExecution({ log, exitCode }) {
    log(\`ended with \${exitCode}\`);
  },
});
const result = await runJob({ command: "echo from a pipeline" });
Deno.exit(result.exitCode);
END
runnerlib exec pipeline.ts
`,
    sees: [/^from a pipeline$/m, /\[plugin:shout\] ended with 0/],
  },
  "deploy only from main": {
    script: `
git init --quiet --initial-branch feature .
git -c user.name=me -c user.email=me@example.com commit --quiet --allow-empty --message one
cat > job.yaml <<'END'
steps:
  - name: test
    run: echo tested
  - name: deploy
    run: echo deployed
    needs: test
    when: { branch: main }
END
runnerlib run
git switch --quiet --create main
runnerlib run
`,
    sees: [
      /– deploy +skipped +– +when\.branch: the branch is "feature", not main/,
      /✓ deploy +success/,
    ],
  },
  "find out why the third step failed last time": {
    script: `
cat > job.yaml <<'END'
steps:
  - { name: one, run: echo 1 }
  - { name: two, run: echo 2, needs: one }
  - { name: three, run: "echo cause of the failure; exit 4", needs: two }
END
runnerlib run >first.log 2>&1
runnerlib report
cat job/artifacts/logs/three.log
`,
    sees: [/✗ three +exit code 4/, /^cause of the failure$/m],
  },
};

describeImage("a newcomer with Node only", (it) => {
  it("does five tasks in an empty directory", async () => {
    await using directory = await temporaryDirectory();
    const scripts = Object.values(TASKS).map(({ script }, at) =>
      `cd "$(mktemp -d)"\necho "== ${at}"\n{\n${script}\n}`
    );
    const said = await newcomerShell()(
      [
        "exec 2>&1",
        'repository="$PWD"',
        'runnerlib() { npx -y deno@2.9.6 run --quiet -A "$repository/cli.ts" "$@"; }',
        ...scripts,
        'echo "== end"',
      ].join("\n"),
      directory.path,
    );
    const parts = said.split(/^== .*\n/m);
    assertEquals(parts.length, Object.keys(TASKS).length + 2, said);
    for (const [at, [name, { sees }]] of Object.entries(TASKS).entries()) {
      for (const pattern of sees) {
        assertMatch(parts[at + 1], pattern, `${name}:\n${parts[at + 1]}`);
      }
      assertEquals(parts[at + 1].includes("t0k3n-value-123"), false, name);
    }
  });
});
