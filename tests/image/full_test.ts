import { assert, assertEquals, assertMatch } from "@std/assert";
import { REPOSITORY } from "../helpers/cli.ts";
import { describeImage, engine, IMAGE } from "../helpers/image.ts";

/** The image takes minutes to build, so a gate may have to do without it. */
const ignore = IMAGE === "" || !Deno.env.get("RUNNERLIB_TEST_FULL");

/** Words in backquotes in a column of the documentation's table. */
function documented(column: number): string[] {
  const page = Deno.readTextFileSync(`${REPOSITORY}/docs/image.md`);
  const [, section] = page.split("## The target `full`");
  const rows = section.split("\n## ")[0].split("\n")
    .filter((line) => line.startsWith("| ")).slice(2);
  return rows.flatMap((row) =>
    [...row.split("|")[column].matchAll(/`([^`]+)`/g)].map(([, word]) => word)
  );
}

describeImage("the target full of the image", (it) => {
  it("installs the documented packages of Debian", async () => {
    const { code, stdout, stderr } = await engine(
      ...["run", "--rm", "--network=host", "--user=0:0", "--entrypoint="],
      ...[`--volume=${REPOSITORY}/image/full.sh:/full.sh:ro`, IMAGE],
      ...["/full.sh", "--simulate"],
    );
    assertEquals(code, 0, stderr);
    const packages = documented(3);
    assert(packages.includes("podman") && packages.includes("rustc-web"));
    for (const name of packages) {
      assert(stdout.includes(`\nInst ${name} (`), `${name} is not installed`);
    }
    assertMatch(stdout, /^Inst golang-go \(2:1\.23/m);
  });
});

Deno.test({
  name: "the target full of the image has the documented programs",
  ignore,
  async fn() {
    const programs = documented(2).map((word) => word.split(" ")[0])
      .filter((word) => /^[a-z]/.test(word));
    assert(programs.includes("cargo") && programs.includes("npx"));
    const { code, stdout, stderr } = await inFull(
      `for program in ${programs.join(" ")}; do
         command -v $program >/dev/null || echo "no $program"
       done
       go version && cargo --version && podman --version && sudo -n apt-get --version`,
    );
    assertEquals(code, 0, stderr);
    assert(!stdout.includes("no "), stdout);
    assertMatch(stdout, /go version go1\.23/);
  },
});

Deno.test({
  name: "the target full of the image compiles and installs programs",
  ignore,
  async fn() {
    const { code, stdout, stderr } = await inFull(
      `mkdir go rust && cd go && go mod init example.com/hello 2>/dev/null &&
       echo 'package main
import "fmt"
func main() { fmt.Println("hello from Go") }' >main.go &&
       go install . && hello &&
       cd ../rust && cargo init --quiet --vcs none --name greet &&
       cargo install --quiet --path . && greet &&
       echo 'int main() { return 3; }' >main.c && cc main.c && ./a.out; echo $?
       sudo -n id 2>/dev/null || echo "no other right"`,
    );
    assertEquals(code, 0, stderr);
    assertEquals(
      stdout,
      "hello from Go\nHello, world!\n3\nno other right\n",
    );
  },
});

Deno.test({
  name: "the target full of the image lets pip install for the job's user",
  ignore,
  async fn() {
    const { stdout } = await inFull(
      `pip install --dry-run --no-index no-such-package 2>&1
       case :$PATH: in *:/home/runner/.local/bin:*) echo "on PATH" ;; esac`,
    );
    assertMatch(stdout, /No matching distribution found for no-such-package/);
    assertMatch(stdout, /^on PATH$/m);
  },
});

Deno.test({
  name: "the target full of the image runs pipelines in Python",
  ignore,
  async fn() {
    const { code, stderr } = await inFull(
      `python3 -c 'import runnerlib; raise SystemExit(runnerlib.run_job(command="exit 3"))'`,
    );
    assertEquals(code, 3, stderr);
  },
});

/** As a worker that lets jobs use sudo. */
function inFull(command: string) {
  return engine(
    ...["run", "--rm", "--network=none", "--entrypoint=", "--user=1001:1001"],
    ...[`${IMAGE}-full`, "runnerlib", "run", "--job-command", command],
  );
}
