import { CLI, cliEnv } from "./cli.ts";

/** Measurements of a command line. */
export interface Measured {
  /** SHA-256 of standard output. */
  hash: string;
  /** Peak resident memory of the runner, in MiB. */
  peakMiB: number;
}

/**
 * Runs the command line with its output piped to `sha256sum`, and reads its
 * peak memory while the end of the output is still held back.
 */
export async function measureCli(
  args: string[],
  cwd: string,
  env: Record<string, string>,
): Promise<Measured> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", CLI, ...args],
    cwd,
    clearEnv: true,
    env: cliEnv(env),
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const hashing = new Deno.Command("sha256sum", {
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  let peakKiB = 0;
  const watch = new TransformStream<Uint8Array, Uint8Array>({
    transform(bytes, controller) {
      peakKiB = Math.max(peakKiB, residentKiB(child.pid));
      controller.enqueue(bytes);
    },
  });
  const [output] = await Promise.all([
    hashing.output(),
    child.stdout.pipeThrough(watch).pipeTo(hashing.stdin),
    child.status,
  ]);
  return { hash: hashIn(output.stdout), peakMiB: peakKiB / 1024 };
}

/** Returns the SHA-256 of the output of a shell command. */
export async function shellHash(command: string): Promise<string> {
  const { stdout } = await new Deno.Command("sh", {
    args: ["-c", `{ ${command}; } | sha256sum`],
  }).output();
  return hashIn(stdout);
}

function hashIn(output: Uint8Array): string {
  return new TextDecoder().decode(output).split(" ")[0];
}

function residentKiB(pid: number): number {
  try {
    const status = Deno.readTextFileSync(`/proc/${pid}/status`);
    return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0);
  } catch {
    // The runner has ended; keep the values seen before.
    return 0;
  }
}
