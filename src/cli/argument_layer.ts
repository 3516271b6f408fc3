import { layerOf } from "../config/settings.ts";
import type { Layer } from "../config/settings.ts";

/**
 * Finds the configuration in arguments that nothing has parsed yet, so that
 * what they say of secrets is known before an error repeats them.
 *
 * @param args Arguments, which may be wrong.
 * @returns What they say; all arguments count as texts that may hold URLs.
 */
export function argumentLayer(args: readonly string[]): Layer {
  const end = args.indexOf("--");
  const before = end < 0 ? args : args.slice(0, end);
  const layer = layerOf(
    ({ flag, type }) => {
      if (flag === undefined || type === "boolean") return undefined;
      const values = before.flatMap((arg, at) =>
        arg === `--${flag}`
          ? before.slice(at + 1, at + 2)
          : arg.startsWith(`--${flag}=`)
          ? [arg.slice(flag.length + 3)]
          : []
      );
      if (values.length === 0) return undefined;
      return type === "variables" ? values.join("\n") : values.at(-1);
    },
    ({ flag }) => `--${flag}`,
  );
  // Any key does: what is secret in a URL is looked for in all of them.
  layer.job_command = { value: args, origin: "the arguments" };
  return layer;
}
