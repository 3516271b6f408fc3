/** Programs that are measured or used for measuring, and how to get their versions. */
const PROGRAMS: Readonly<Record<string, readonly string[]>> = {
  git: ["--version"],
  make: ["--version"],
  ninja: ["--version"],
  node: ["--version"],
  rg: ["--version"],
};

/**
 * Describes the machine and the programs that the benchmarks use.
 *
 * @returns Values by name, without programs that are not installed.
 */
export async function describeMachine(): Promise<Map<string, string>> {
  const { total } = Deno.systemMemoryInfo();
  const facts = new Map([
    ["Date", Temporal.Now.plainDateISO().toString()],
    [
      "Processor",
      `${await processorName()}, ${navigator.hardwareConcurrency} used`,
    ],
    ["Memory", `${(total / 2 ** 30).toFixed(1)} GiB`],
    ["System", `${Deno.build.os} ${Deno.osRelease()}, ${Deno.build.arch}`],
    ["Commit", await firstLine("git", ["rev-parse", "--short", "HEAD"])],
    ["deno", Deno.version.deno],
  ]);
  for (const [program, args] of Object.entries(PROGRAMS)) {
    const line = await firstLine(program, args);
    const version = /\d+(?:\.\d+)+/.exec(line)?.[0];
    if (version !== undefined) facts.set(program, version);
  }
  return facts;
}

/** Runs another program, because Deno requires `--allow-all` to read `/proc`. */
async function processorName(): Promise<string> {
  const line = Deno.build.os === "linux"
    ? await firstLine("grep", ["-m1", "^model name", "/proc/cpuinfo"])
    : await firstLine("sysctl", ["-n", "machdep.cpu.brand_string"]);
  return line.replace(/^model name\s*: /, "") || "unknown";
}

async function firstLine(
  program: string,
  args: readonly string[],
): Promise<string> {
  try {
    const { stdout } = await new Deno.Command(program, {
      args: [...args],
      cwd: import.meta.dirname,
      stderr: "null",
    }).output();
    return new TextDecoder().decode(stdout).split("\n")[0];
  } catch {
    // The program is not installed, so no benchmark used it.
    return "";
  }
}
