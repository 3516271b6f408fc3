import { cliEnv } from "./cli.ts";
import { soon } from "./soon.ts";
import { temporaryDirectory } from "./temporary_directory.ts";

/** Polling interval, in milliseconds. */
const POLL_MS = 50;

/** Options for {@linkcode openTmux}. */
export interface TmuxOptions {
  /** Directory in which the shell starts. */
  cwd: string;
  /** Variables in addition to those that every run needs. */
  env?: Record<string, string>;
}

/** A shell in a real terminal, of 100 columns and 40 rows. */
export interface Tmux extends AsyncDisposable {
  /** Types text. */
  type(text: string): Promise<void>;
  /** Presses keys, such as `C-c` or `Enter`. */
  press(...keys: readonly string[]): Promise<void>;
  /** Types a line and presses Enter. */
  enter(line: string): Promise<void>;
  /** Changes the size of the terminal. */
  resize(columns: number, rows: number): Promise<void>;
  /** Returns all lines so far; lines that were wrapped are joined. */
  screen(): Promise<string>;
  /** Waits until the lines match, and returns them. */
  sees(pattern: RegExp): Promise<string>;
  /** Presses a key until the lines match, since a program may not run yet. */
  pressUntil(key: string, pattern: RegExp): Promise<void>;
}

/** Starts a shell in a terminal of its own. */
export async function openTmux({ cwd, env }: TmuxOptions): Promise<Tmux> {
  const directory = await temporaryDirectory();
  const socket = `${directory.path}/tmux`;

  async function tmux(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await new Deno.Command("tmux", {
      args: ["-S", socket, "-f", "/dev/null", ...args],
      cwd,
      clearEnv: true,
      env: { ...cliEnv(env), TERM: "xterm", LC_ALL: "C.UTF-8" },
      stdin: "null",
    }).output();
    const decoder = new TextDecoder();
    if (code !== 0) throw new Error(`tmux: ${decoder.decode(stderr)}`);
    return decoder.decode(stdout);
  }

  async function poll(pattern: RegExp): Promise<string> {
    while (true) {
      const screen = await terminal.screen();
      if (pattern.test(screen)) return screen;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  const terminal: Tmux = {
    type: async (text) => void await tmux("send-keys", "-l", "--", text),
    press: async (...keys) => void await tmux("send-keys", ...keys),
    async enter(line) {
      await terminal.type(line);
      await terminal.press("Enter");
    },
    resize: async (columns, rows) =>
      void await tmux("resize-window", "-x", `${columns}`, "-y", `${rows}`),
    screen: () => tmux("capture-pane", "-p", "-J", "-S", "-"),
    async sees(pattern) {
      let last = "";
      try {
        return await soon(poll(pattern), `${pattern}`);
      } catch (error) {
        last = await terminal.screen();
        throw new Error(`Expected ${pattern} on the screen:\n${last}`, {
          cause: error,
        });
      }
    },
    async pressUntil(key, pattern) {
      for (let count = 0; !pattern.test(await terminal.screen()); count++) {
        if (count % 10 === 0) await terminal.press(key);
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
        if (count > 600) {
          throw new Error(
            `Pressed ${key}, but ${pattern} is not on the screen:\n${await terminal
              .screen()}`,
          );
        }
      }
    },
    async [Symbol.asyncDispose]() {
      await tmux("kill-server").catch(() => {});
      await directory[Symbol.asyncDispose]();
    },
  };
  await tmux("new-session", "-d", "-x", "100", "-y", "40", "sh");
  return terminal;
}
