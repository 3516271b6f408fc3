import { displayWidth } from "../../src/terminal/width.ts";
import { terminalPicture } from "./terminal_picture.ts";

/** Job in the picture. Its steps run one after another, so that the order of lines is fixed. */
const JOB = `
concurrency: 1
secret_env_names: [API_TOKEN]
environment: { API_TOKEN: s3cr3t-t0k3n }
steps:
  - name: version
    run: echo "tag=1.2.3" >> "$REACTORCIDE_OUTPUT"
  - name: test
    matrix: { NODE: [22, 24] }
    run: echo "42 tests passed on node $NODE"
  - name: build
    needs: [version, test]
    run: echo "building app:$REACTORCIDE_OUTPUT_VERSION_TAG"
  - name: publish
    needs: build
    run: echo "POST /upload, Authorization $API_TOKEN"
  - name: alert
    needs: publish
    condition: any_failed
    run: echo "calling somebody"
`;

/**
 * Runs the job in its own directory, with only `PATH` from the environment. Both
 * streams are merged, as on a terminal.
 */
const SCRIPT = `
set -e
directory="$(mktemp -d)"
trap 'rm -rf "$directory"' EXIT
cd "$directory"
cat > job.yaml
env -i PATH="$PATH" HOME="$HOME" \${DENO_DIR:+DENO_DIR="$DENO_DIR"} \\
  REACTORCIDE_IN_CONTAINER=false FORCE_COLOR=1 DENO_NO_UPDATE_CHECK=1 \\
  "$0" run --quiet --no-check -A --config "$1/deno.json" "$1/cli.ts" run 2>&1
`;

/**
 * Runs a job and draws what it prints on a terminal.
 *
 * @param root Directory of the repository.
 * @returns An SVG document, the same for every run.
 */
export async function runPicture(root: URL): Promise<string> {
  const directory = root.pathname.replace(/\/$/, "");
  const child = new Deno.Command("/bin/sh", {
    args: ["-c", SCRIPT, Deno.execPath(), directory],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(JOB));
  await writer.close();
  const { success, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  if (!success) {
    throw new Error(decoder.decode(stdout) + decoder.decode(stderr));
  }
  const printed = removeTimes(decoder.decode(stdout)).trimEnd();
  return terminalPicture(`\x1b[2m$\x1b[22m runnerlib run\n${printed}`, {
    title: "runnerlib run",
    measureText: displayWidth,
  });
}

/** Replaces durations, which differ in each run. */
function removeTimes(text: string): string {
  return text.replace(/(?<![\d.])\d+(\.\d+)?(m?s)\b/g, "0.1s");
}
