import { join } from "@std/path/posix/join";
import type { PrivateDirectory } from "../fs/temporary_directory.ts";
import { temporaryDirectory } from "../workspace/temporary.ts";
import type { SourceContext } from "./source_request.ts";
import type { UrlCredentials } from "./url_credentials.ts";

/** Group of servers for a host that is in none of the user's. */
const GROUP = "runnerlib";

/** All ways to log in that use a password, and one that does not. */
const PASSWORD_TYPES = "basic;digest;negotiate";
const OTHER_TYPES = "negotiate";

/**
 * Creates a configuration directory by which Subversion logs in at one host.
 *
 * The name of the user, which may be a token, is written there, not passed as
 * an argument. Subversion offers the password that it reads to any server that
 * asks, such as the target of a redirection; so every other host is limited to
 * ways to log in without a password.
 *
 * What the user has configured stays in force, except for these two settings.
 *
 * @param credentials Host and name of the user.
 * @param context What the run offers.
 * @returns The directory.
 */
export async function svnConfigDirectory(
  { host, username }: UrlCredentials,
  context: SourceContext,
): Promise<PrivateDirectory> {
  const directory = temporaryDirectory(context);
  const home = context.env.HOME;
  try {
    const userDirectory = join(home || "/nonexistent", ".subversion");
    for (const name of ["config", "auth"]) {
      await Deno.symlink(join(userDirectory, name), join(directory.path, name));
    }
    const servers = await readText(join(userDirectory, "servers"));
    await Deno.writeFile(
      join(directory.path, "servers"),
      serversFile(servers, host, username),
      { mode: 0o600 },
    );
    return directory;
  } catch (error) {
    directory[Symbol.dispose]();
    throw error;
  }
}

function serversFile(
  text: string,
  host: string,
  username: Uint8Array | undefined,
): Uint8Array<ArrayBuffer> {
  const kept = text.split(/\r?\n/)
    .filter((line) => !/^\s*(?:username|http-auth-types)\s*[=:]/i.test(line));
  const groups = groupsOf(kept, host);
  const encoder = new TextEncoder();
  const bytes = [
    ...encoder.encode(
      `${kept.join("\n")}\n[global]\nhttp-auth-types = ${OTHER_TYPES}\n` +
        (groups.length === 0 ? `[groups]\n${GROUP} = ${host}\n` : ""),
    ),
  ];
  for (const group of groups.length === 0 ? [GROUP] : groups) {
    bytes.push(
      ...encoder.encode(`[${group}]\nhttp-auth-types = ${PASSWORD_TYPES}\n`),
    );
    if (username === undefined) continue;
    bytes.push(...encoder.encode("username = "), ...username, 0x0a);
  }
  return new Uint8Array(bytes);
}

/** Names of the user's groups that have the host; Subversion picks any of them. */
function groupsOf(lines: readonly string[], host: string): string[] {
  let section = "";
  return lines.flatMap((line) => {
    section = /^\[([^\]]*)\]/.exec(line)?.[1] ?? section;
    const [, name, patterns] = /^([^#\s=:][^=:]*?)\s*[=:](.*)$/.exec(line) ??
      [];
    if (section.toLowerCase() !== "groups" || name === undefined) return [];
    return patterns.split(",").some((pattern) => matches(pattern.trim(), host))
      ? [name]
      : [];
  });
}

function matches(pattern: string, host: string): boolean {
  const source = pattern.replace(/[\\^$.+()|{}]/g, "\\$&")
    .replaceAll("*", ".*").replaceAll("?", ".");
  try {
    return new RegExp(`^${source}$`, "i").test(host);
  } catch {
    // A class of characters that nothing closes matches no host.
    return false;
  }
}

async function readText(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch {
    // What cannot be read configures nothing, as for Subversion itself.
    return "";
  }
}
