import { isHistoryBetweenKnown } from "../history.ts";
import {
  type GitQueryOptions,
  openQuery,
  resolveRevision,
} from "./open_query.ts";
import { missingHistory } from "./query_error.ts";
import { wholeOutput } from "./whole_output.ts";
import { historyOf, withHistory } from "./with_history.ts";

/** Options for {@linkcode commitsBetween}. */
export interface CommitsBetweenOptions extends GitQueryOptions {
  /**
   * Revision whose history is listed.
   *
   * @default {"HEAD"}
   */
  head?: string;
}

/** What {@linkcode commitsBetween} tells of a commit. */
export interface CommitInfo {
  /** Id. */
  readonly id: string;
  /** Ids of the commits that it follows; a merge has several. */
  readonly parents: readonly string[];
  /** Name of the author. */
  readonly author: string;
  /** Address of the author. */
  readonly email: string;
  /** When it was made, in milliseconds since 1970. */
  readonly committedAt: number;
  /** First line of the message. */
  readonly subject: string;
}

/**
 * Lists the commits that belong to the history of one revision and not to that
 * of another one, the newest first.
 *
 * @param base Revision whose history is left out.
 * @param options Additional options.
 * @returns The commits; none if the base has all of them.
 * @throws {RunnerError} With code `source-failed`, if it cannot be known,
 * because a revision or a part of the history was not fetched.
 */
export async function commitsBetween(
  base: string,
  options: CommitsBetweenOptions = {},
): Promise<CommitInfo[]> {
  const { head = "HEAD" } = options;
  using query = await openQuery(options);
  const action = `list the commits from "${base}" to "${head}"`;
  const [from, to] = await withHistory(
    query,
    options,
    [head, base],
    async () => {
      const from = await resolveRevision(query, base);
      const to = await resolveRevision(query, head);
      if (await isHistoryBetweenKnown(historyOf(query), from, to)) {
        return [from, to];
      }
      throw missingHistory(action, "not all of the history was fetched");
    },
  );
  const result = await query.git(
    ...["log", "-z", "--no-show-signature", "--encoding=UTF-8", "--no-mailmap"],
    ...["--format=%H%n%P%n%an%n%ae%n%ct%n%s", `^${from}`, to, "--"],
  );
  return wholeOutput(result, action).split("\0")
    .filter((text) => text !== "").map(readCommit);
}

function readCommit(text: string): CommitInfo {
  const [id, parents, author, email, time, ...subject] = text.split("\n");
  return {
    id,
    parents: parents === "" ? [] : parents.split(" "),
    author,
    email,
    committedAt: Number(time) * 1_000,
    subject: subject.join("\n").trimEnd(),
  };
}
