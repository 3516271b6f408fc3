import { CLI, cliEnv } from "./cli.ts";

/** A command line that was watched from outside. */
export interface Measured {
  /** SHA-256 of standard output. */
  hash: string;
  /** Most memory that the runner itself had resident, in MiB. */
  peakMiB: number;
}

/**
 * Runs the command line with its output in `sha256sum`, and reads the high
 * water mark of its memory while the last of the output is still held back.
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

/** SHA-256 of what a shell prints for a command. */
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
    // The runner has ended; what was seen before stands.
    return 0;
  }
}
