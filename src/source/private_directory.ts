/** A directory that only its owner can read, and that is gone when its scope is left. */
export interface PrivateDirectory extends AsyncDisposable {
  /** Absolute path. */
  readonly path: string;
}

/**
 * Creates a directory for the credentials of a client.
 *
 * @returns The directory.
 */
export async function privateDirectory(): Promise<PrivateDirectory> {
  // Its mode is 0700.
  const path = await Deno.makeTempDir({ prefix: "runnerlib-client-" });
  return {
    path,
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}
