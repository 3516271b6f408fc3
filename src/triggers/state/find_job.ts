import { Variable } from "../../environment/variables.ts";
import { openClient } from "../../coordinator/client.ts";
import { RunnerError } from "../../errors.ts";
import {
  isActive,
  type JobInstance,
  type JobOutcome,
  outcomeOf,
} from "./job_outcome.ts";
import { localInstances, readLocalState } from "./local_state.ts";
import { publishedInstances } from "./published_result.ts";
import { type JobScope, remoteInstances } from "./remote_state.ts";

/** What is needed to find a job. */
export interface FindJobContext {
  /** Environment of the job that asks. */
  readonly env: Readonly<Record<string, string>>;
  /** Absolute path of the state of a local workflow. */
  readonly statePath: string;
  /** Whether the state of a local workflow is asked, coordinator or not. */
  readonly isLocal: boolean;
  /** Variables of the workflow. */
  readonly variables: () => Promise<Readonly<Record<string, unknown>>>;
  /** Among which jobs the name is looked for. */
  readonly scope: JobScope;
  /** Whether the token may be sent over plain HTTP. */
  readonly allowInsecureTransport: boolean;
  /** Longest time of one request, in milliseconds. */
  readonly timeoutMs: number;
  /** Takes the secrets out of what the coordinator says. */
  readonly maskText: (text: string) => string;
  /** Ends requests and pauses. */
  readonly signal?: AbortSignal;
}

/**
 * Tells whether a job runs, or is about to.
 *
 * @param name Name of the job, or of one instance of a fan-out.
 * @param context Where to look.
 * @returns Whether an instance has been submitted and is not over.
 * @throws {RunnerError} `coordinator-forbidden` if nobody may tell.
 */
export async function findRunning(
  name: string,
  context: FindJobContext,
): Promise<boolean> {
  const instances = context.isLocal
    ? await instancesHere(name, context)
    : (await askCoordinator(name, context)).flat();
  return instances.some(isActive);
}

/**
 * Finds the result of a job; that of its newest run if there are several.
 *
 * Without a token that may read, the results that jobs have published in the
 * variables of the workflow are all there is.
 *
 * @param name Name of the job, or of one instance of a fan-out.
 * @param context Where to look.
 * @returns The result so far; `null` if no such job was ever started.
 * @throws {RunnerError} `coordinator-forbidden` if nobody may tell.
 */
export async function findResult(
  name: string,
  context: FindJobContext,
): Promise<JobOutcome | null> {
  if (context.isLocal) {
    return outcomeOf(name, await instancesHere(name, context));
  }
  if (!context.env[Variable.readToken]) {
    const published = publishedInstances(await context.variables(), name);
    if (published.length > 0) return outcomeOf(name, published);
  }
  const [newest = []] = await askCoordinator(name, context);
  return outcomeOf(name, newest);
}

async function instancesHere(
  name: string,
  { statePath }: FindJobContext,
): Promise<readonly JobInstance[]> {
  const state = await readLocalState(statePath);
  return state === null ? [] : localInstances(state, name);
}

async function askCoordinator(
  name: string,
  context: FindJobContext,
): Promise<readonly (readonly JobInstance[])[]> {
  const { env } = context;
  const token = env[Variable.readToken];
  if (!token) {
    // The token of the job itself may submit, and nothing else.
    throw new RunnerError(
      `Cannot read the state of job ${
        JSON.stringify(name)
      }: ${Variable.readToken} is not set`,
      { code: "coordinator-forbidden" },
    );
  }
  const client = openClient({
    ...context,
    url: env[Variable.coordinatorUrl],
    token,
  });
  return (await remoteInstances(client, name, context)).byWorkflow;
}
