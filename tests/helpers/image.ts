/** Output and exit code of a program. */
export interface EngineResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** A container that runs in the background. */
export interface RunningContainer extends AsyncDisposable {
  /** Its ID. */
  readonly id: string;
  /** Waits until its output contains a text. */
  sees(text: string): Promise<void>;
  /** Sends a signal to its first process, as an engine does to end it. */
  signal(name: string): Promise<void>;
  /** Waits for its end. */
  end(): Promise<EngineResult>;
}

/** Name of the image that is tested; `scripts/test_image.sh` builds it. */
export const IMAGE: string = Deno.env.get("RUNNERLIB_TEST_IMAGE") ?? "";

const ignore = IMAGE === "";
if (ignore) {
  if (Deno.env.get("REQUIRE_IMAGE")) {
    throw new Error("Cannot test the image: RUNNERLIB_TEST_IMAGE names none");
  }
  console.log(
    "Tests of the image are skipped: scripts/test_image.sh runs them",
  );
}

/**
 * Defines tests of the image, which are skipped with a message if there is
 * none. `REQUIRE_IMAGE` forbids that.
 */
export function describeImage(
  subject: string,
  tests: (it: (name: string, fn: () => Promise<void>) => void) => void,
): void {
  tests((name, fn) => Deno.test({ name: `${subject} ${name}`, ignore, fn }));
}

/** Arguments with which a worker starts a container, plus no network. */
const AS_A_WORKER = [
  "--network=none",
  "--entrypoint=",
  "--user=1001:1001",
  "--cap-drop=ALL",
  "--security-opt=no-new-privileges",
];

/** Calls the engine. */
export async function engine(...args: string[]): Promise<EngineResult> {
  const program = Deno.env.get("DOCKER") ?? "docker";
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args,
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return {
    code,
    stdout: decoder.decode(stdout),
    stderr: decoder.decode(stderr),
  };
}

/** Runs a command in the image as a worker does. */
export function inImage(
  argv: string[],
  options: string[] = [],
): Promise<EngineResult> {
  return engine("run", "--rm", ...AS_A_WORKER, ...options, IMAGE, ...argv);
}

/** Starts a command in the image as a worker does. */
export async function startInImage(
  argv: string[],
  options: string[] = [],
): Promise<RunningContainer> {
  const args = ["--detach", ...AS_A_WORKER, ...options, IMAGE, ...argv];
  const { code, stdout, stderr } = await engine("run", ...args);
  if (code !== 0) throw new Error(stderr);
  const id = stdout.trim();
  return {
    id,
    async sees(text) {
      for (let tries = 0; tries < 200; tries++) {
        const { stdout, stderr } = await engine("logs", id);
        if ((stdout + stderr).includes(text)) return;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      throw new Error(`Timed out waiting for "${text}"`);
    },
    async signal(name) {
      const { code, stderr } = await engine("kill", `--signal=${name}`, id);
      if (code !== 0) throw new Error(stderr);
    },
    async end() {
      const { stdout: code } = await engine("wait", id);
      return { ...await engine("logs", id), code: Number(code) };
    },
    async [Symbol.asyncDispose]() {
      await engine("rm", "--force", "--volumes", id);
    },
  };
}
