import { type Clock, SYSTEM_CLOCK } from "../process/time_limit.ts";
import { spawn } from "../process/spawn.ts";
import type { openAttemptFiles as OpenAttemptFiles } from "./attempt_files.ts";

/**
 * The system on which the steps of a job run: programs, time, random numbers
 * and files. The test kit replaces it.
 */
export interface JobSystem {
  /** Starts a program. */
  readonly spawn: typeof spawn;
  /** Time of the steps, their retries and time limits. */
  readonly clock: Clock;
  /** Returns a random number from 0 (included) to 1 (excluded). */
  random(): number;
  /** Number of processors. */
  readonly processors: number;
  /**
   * Creates the private files of an attempt.
   *
   * @default {openAttemptFiles}
   */
  readonly openAttemptFiles?: typeof OpenAttemptFiles;
  /** Whether commands are programs of this machine, which can be isolated. */
  readonly startsPrograms: boolean;
  /** Whether each step has a log among the artifacts. */
  readonly keepsLogs: boolean;
  /** Whether results of steps may be restored from the cache. */
  readonly usesCache: boolean;
}

/** The system that this process runs on. */
export const SYSTEM: JobSystem = {
  spawn,
  clock: SYSTEM_CLOCK,
  random: Math.random,
  get processors() {
    return navigator.hardwareConcurrency;
  },
  startsPrograms: true,
  keepsLogs: true,
  usesCache: true,
};
