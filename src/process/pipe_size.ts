/** C library with `open` and `fcntl`, which Deno has loaded already. */
const LIBRARY = "libc.so.6";

/** Flags of `open`, the same for every architecture. */
const O_RDONLY = 0;
const O_NONBLOCK = 0o4000;

/** Command of `fcntl` that sets the capacity of a pipe. */
const F_SETPIPE_SZ = 1031;

/** Maximum capacity that Linux allows without privileges, in bytes. */
const MAX_BYTES = 1024 * 1024;

/**
 * Enlarges the pipe of a program's standard output. With the 64 KiB of Linux,
 * the two processes wake each other up for every chunk, which costs more than
 * the chunk. Where that is not possible, the pipe stays as it is.
 *
 * @param pid Process ID of the running program.
 */
export function enlargePipe(pid: number): void {
  if (Deno.build.os !== "linux") return;
  // On a terminal, Deno would prompt.
  if (Deno.permissions.querySync({ name: "ffi" }).state !== "granted") return;
  try {
    using library = openLibrary();
    const { open, fcntl, close } = library.symbols;
    const path = new TextEncoder().encode(`/proc/${pid}/fd/1\0`);
    const file = open(path, O_RDONLY | O_NONBLOCK);
    if (file < 0) return;
    fcntl(file, F_SETPIPE_SZ, MAX_BYTES);
    close(file);
  } catch {
    // The system has another C library.
  }
}

function openLibrary() {
  const library = Deno.dlopen(LIBRARY, {
    open: { parameters: ["buffer", "i32"], result: "i32" },
    fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
    close: { parameters: ["i32"], result: "i32" },
  });
  return { ...library, [Symbol.dispose]: () => library.close() };
}
