/** A directory, and a link that replaces it. */
export interface Swap {
  /** Absolute path of the directory. */
  readonly folder: string;
  /** Absolute path of an existing link to another directory. */
  readonly link: string;
}

/**
 * Replaces a directory by a link, and back, until an action ends, as a process
 * that runs at the same time could. A failure of the action is ignored.
 */
export async function swapDuring(
  { folder, link }: Swap,
  action: () => Promise<unknown>,
): Promise<void> {
  const away = `${link}.folder`;
  const acting = action().catch(() => {});
  let isDone = false;
  acting.then(() => isDone = true);
  for (let isLink = false; !isDone || isLink; isLink = !isLink) {
    await Deno.rename(folder, isLink ? link : away);
    const next = isLink ? away : link;
    // The action may have created the directory again, and may still be filling it.
    while (!await Deno.rename(next, folder).then(() => true, () => false)) {
      await Deno.remove(folder, { recursive: true }).catch((error) => {
        if (!/not empty/i.test(error.message)) throw error;
      });
    }
  }
  await acting;
}
