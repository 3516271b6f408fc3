/**
 * A gate at which a program waits for the test: `read _ < "$GATE"` in a shell.
 */
export interface Gate extends Disposable {
  /** Absolute path, for the environment of the program. */
  readonly path: string;
  /** Lets one program continue that waits now or later. */
  open(): Promise<void>;
}

/** Creates a gate, a named pipe, in a directory of the test. */
export async function makeGate(
  directory: string,
  name = "gate",
): Promise<Gate> {
  const path = `${directory}/${name}`;
  const { success } = await new Deno.Command("mkfifo", { args: [path] })
    .output();
  if (!success) throw new Error(`Cannot make the named pipe "${path}"`);
  // Open for reading and writing, so that opening never blocks.
  const file = await Deno.open(path, { read: true, write: true });
  return {
    path,
    async open() {
      await file.write(new TextEncoder().encode("\n"));
    },
    [Symbol.dispose]: () => file.close(),
  };
}
