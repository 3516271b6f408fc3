import type { Plugin } from "@reactorcide/runnerlib/plugins";

/**
 * Grant it with `--allow-plugin resource_limiter:config=job_command` and
 * `--allow-plugin 'resource_limiter:env=LIMIT_*'`.
 */
export const manifest = {
  permissions: { config: ["job_command"], env: ["LIMIT_*"] },
};

/** Options of `ulimit` by the variables that set them. */
const LIMITS: Readonly<Record<string, string>> = {
  LIMIT_CPU_SECONDS: "-t",
  LIMIT_MEMORY_KIB: "-v",
  LIMIT_FILE_BLOCKS: "-f",
  LIMIT_OPEN_FILES: "-n",
};

/**
 * Has the command of a job run under the limits of `ulimit`, and in a cgroup of
 * its own for its memory where the job may make one.
 */
const limiter: Plugin = {
  name: "resource_limiter",
  preValidation({ config, log }) {
    const command = config.get("job_command");
    if (command === undefined) return log("a job of steps is not limited");
    const limits = Object.entries(LIMITS).flatMap(([name, option]) => {
      const value = Deno.env.get(name) ?? "";
      return /^\d+$/.test(value) ? `ulimit ${option} ${value}` : [];
    });
    const memory = Deno.env.get("LIMIT_MEMORY_KIB") ?? "";
    const cgroup = /^\d+$/.test(memory) ? [cgroupLine(Number(memory))] : [];
    const lines = [...cgroup, ...limits, textOf(command)];
    config.set("job_command", lines.join("\n"));
    log(`limits: ${limits.join(", ") || "none"}`);
  },
};

/** Where there is no cgroup that the job may use, `ulimit` alone has to do. */
function cgroupLine(memoryKib: number): string {
  const group = `/sys/fs/cgroup/job-$$`;
  return `{ mkdir ${group} && echo ${
    memoryKib * 1024
  } > ${group}/memory.max && ` +
    `echo $$ > ${group}/cgroup.procs; } 2>/dev/null || :`;
}

/** A command that is a list of words comes as JSON. */
function textOf(command: string): string {
  if (!command.startsWith("[")) return command;
  const words: string[] = JSON.parse(command);
  return words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
}

export default limiter;
