/** A wrapper around a client program that records its calls. */
export interface RecordingClient {
  /** Value of `PATH` that finds the wrapper first. */
  readonly path: string;
  /** Returns the arguments and environments of all calls. */
  calls(): Promise<string>;
}

/**
 * Creates a program that records its arguments and environment, and then runs
 * the real one.
 */
export async function recordClient(
  directory: string,
  program: string,
): Promise<RecordingClient> {
  const path = Deno.env.get("PATH") ?? "/usr/local/bin:/usr/bin:/bin";
  await Deno.mkdir(`${directory}/bin`, { recursive: true });
  const file = `${directory}/bin/${program}`;
  const record = `${directory}/calls-${program}`;
  await Deno.writeTextFile(
    file,
    `#!/bin/sh\nprintf '%s\\n' "$@" >> '${record}'\nenv >> '${record}'\nPATH='${path}' exec ${program} "$@"\n`,
  );
  await Deno.chmod(file, 0o755);
  return {
    path: `${directory}/bin:${path}`,
    calls: () => Deno.readTextFile(record),
  };
}

/** Finds the files below a directory that contain a text. */
export async function filesWith(
  directory: string,
  text: string,
): Promise<string> {
  const { stdout } = await new Deno.Command("grep", {
    args: ["-rlaF", "-e", text, directory],
    stdin: "null",
  }).output();
  return new TextDecoder().decode(stdout);
}
