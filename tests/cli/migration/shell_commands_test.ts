import { assertEquals } from "@std/assert";
import {
  findShellCommands,
  findSourceCommands,
} from "../../../src/cli/migration/shell_commands.ts";
import { Random } from "../../helpers/random.ts";

function commandsIn(script: string): string[] {
  return findShellCommands(script)
    .map(({ argv, line }) => `${line}: ${argv.join(" ")}`).sort();
}

Deno.test("findShellCommands() finds commands wherever a shell would run them", () => {
  const rows: readonly [script: string, ...commands: string[]][] = [
    [
      "make && go test | tee log; cargo build &",
      "1: cargo build",
      "1: go test",
      "1: make",
      "1: tee log",
    ],
    ["if ! go vet; then\n  exit 1\nfi", "1: go vet", "2: exit 1", "3: fi"],
    [
      "V=$(git describe --tags)\necho $V",
      "1: git describe --tags",
      "2: echo $V",
    ],
    [
      'echo "at `git rev-parse HEAD^`"',
      "1: echo at $(…)",
      "1: git rev-parse HEAD^",
    ],
    ['echo "$(cd x && "make")"', "1: cd x", "1: echo $(…)", "1: make"],
    [
      "A=b sudo -u root env C=d go build",
      "1: env C=d go build",
      "1: go build",
      "1: sudo -u root env C=d go build",
    ],
    [
      "timeout -k 5 60 make test",
      "1: make test",
      "1: timeout -k 5 60 make test",
    ],
    [
      "sh -c 'curl x | tar x'",
      "1: curl x",
      "1: sh -c curl x | tar x",
      "1: tar x",
    ],
    [
      "runnerlib run --job-command 'make test'",
      "1: make test",
      "1: runnerlib run --job-command make test",
    ],
    ["echo 'go test' # cargo build", "1: echo go test"],
    ["cat <<EOF\ngo test\nEOF\nmake", "1: cat", "4: make"],
    ["cat <<-'EOF' >out\n\tgo test\n\tEOF\nmake", "1: cat", "4: make"],
    ["cp a \\\n  b\nmake", "1: cp a b", "3: make"],
    ["( cd a; make ) >log 2>&1", "1: cd a", "1: make"],
    [
      'for f in *.go; do gofmt "$f"; done',
      "1: done",
      "1: for f in *.go",
      "1: gofmt $f",
    ],
    ["echo a{b,c} ${X:-y}", "1: echo a{b,c} ${X:-y}"],
    ["echo $((1 + 2))\nmake", "1: echo $((1 + 2))", "2: make"],
    ["x() { make; }", "1: make", "1: x"],
    ["diff <(go version) b", "1: diff b", "1: go version"],
    ["xargs -n 1 go vet <list", "1: go vet", "1: xargs -n 1 go vet"],
  ];
  for (const [script, ...expected] of rows) {
    assertEquals(commandsIn(script), expected.sort(), script);
  }
});

Deno.test("findShellCommands() reads any text in a single pass", () => {
  const random = new Random();
  for (let count = 0; count < 300; count++) {
    const script = random.text(
      200,
      "ab \n\r\t\v\f\u00a0\u2028\ufeff\0'\"`$(){};|&<>\\#=-",
    );
    const lines = script.split("\n").length;
    for (const { line } of findShellCommands(script)) {
      assertEquals(line >= 1 && line <= lines, true, `seed ${random.seed}`);
    }
  }
  for (const nasty of ["$(", "`", "((", '"$(', "sh -c '", "sudo ", "<<A\n"]) {
    findShellCommands(nasty.repeat(20_000));
  }
});

Deno.test("findSourceCommands() finds what Python starts", () => {
  const source = `import subprocess, os
# subprocess.run(["go", "never"])
"""["cargo", "in a docstring"]"""
subprocess.run(["git", "merge-base", "HEAD", ref], check=True)
_run(
    ["go", "test", *packages, "-count=1"],
    cwd=directory,
)
os.system("make && rsync -a b c")
subprocess.check_output(f"git describe {flags}", shell=True)
run_job(command="cargo build")
names = ["gcc is here"]
subprocess.run(["sh", "-c", "curl x"])
print("go to the docs")
`;
  const found = findSourceCommands(source, "python")
    .map(({ argv, line }) => `${line}: ${argv.join(" ")}`);
  assertEquals(found.filter((text) => !/^1[23]: (?:gcc|sh)/.test(text)), [
    "4: git merge-base HEAD …",
    "6: go test … -count=1",
    "9: make",
    "9: rsync -a b c",
    "10: git describe {flags}",
    "11: cargo build",
    "13: curl x",
    "13: curl x",
  ]);
});

Deno.test("findSourceCommands() finds what TypeScript starts", () => {
  const source = `// new Deno.Command("go")
/* $\`make\` */
await new Deno.Command("git", { args: ["describe", "--tags"] }).output();
await runJob({ command: "make test", timeout: "5m" });
await $\`cargo build\`;
spawn("podman", ["build", "."]);
`;
  const found = findSourceCommands(source, "typescript")
    .map(({ argv, line }) => `${line}: ${argv.join(" ")}`);
  assertEquals(found.filter((text) => !/^\d: (?:describe|build)/.test(text)), [
    "3: git describe --tags",
    "4: make test",
    "5: cargo build",
    "6: podman build .",
  ]);
});
