import type { Command } from "../../process/spawn.ts";
import { SOCKET_DIRECTORY } from "./container_environment.ts";
import { mountOption } from "./engine_values.ts";

/** Where a container finds the file of secrets. */
const SECRETS_FILE = "/run/secrets/env";

/** What a container is made of. */
export interface ContainerPlan {
  /** Its name. */
  readonly name: string;
  /** Its image. */
  readonly image: string;
  /** What runs in it. */
  readonly command: Command;
  /** User and group, as numbers. */
  readonly user: { readonly uid: number; readonly gid: number };
  /** Whether numbers of users have to be the same inside and outside. */
  readonly keepsIds: boolean;
  /** Absolute path of the workspace outside. */
  readonly workspace: string;
  /** Directory in which the command runs, as the job knows it. */
  readonly directory: string;
  /** Absolute path of the env-file. */
  readonly envFile: string;
  /** Names of variables that the engine takes from its own environment. */
  readonly names: readonly string[];
  /** Absolute path of the directory of the socket, if there is one. */
  readonly socketDirectory: string | undefined;
  /** Absolute path of the file of secrets, if there is one. */
  readonly secretsFile: string | undefined;
}

/**
 * Puts together how an engine makes a container that may do nothing but the
 * job: no rights, no way to new ones, and no files but the job's.
 *
 * What it prints is not kept by the engine, which would keep it unmasked. It
 * has had its time to end before the engine is told to remove it.
 *
 * @param plan What it is made of.
 * @returns Arguments of the engine.
 */
export function createArguments(plan: ContainerPlan): string[] {
  const { command, user, socketDirectory, secretsFile } = plan;
  const argv = typeof command === "string"
    ? ["/bin/sh", "-c", command]
    : command;
  return [
    "create",
    "--rm",
    "--init",
    `--name=${plan.name}`,
    "--label=io.reactorcide.runnerlib=job",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    `--user=${user.uid}:${user.gid}`,
    ...plan.keepsIds ? ["--userns=keep-id"] : [],
    "--log-driver=none",
    "--stop-timeout=0",
    "--entrypoint=",
    `--workdir=${plan.directory}`,
    `--env-file=${plan.envFile}`,
    ...plan.names.map((name) => `--env=${name}`),
    mountOption(plan.workspace, "/job"),
    ...socketDirectory === undefined
      ? []
      : [mountOption(socketDirectory, SOCKET_DIRECTORY, "readonly")],
    ...secretsFile === undefined
      ? []
      : [mountOption(secretsFile, SECRETS_FILE, "readonly")],
    plan.image,
    ...argv,
  ];
}
