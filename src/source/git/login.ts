import { dirname } from "@std/path/posix/dirname";
import type { Environment } from "../../environment/variables.ts";
import { decoded } from "../../url_secrets.ts";
import { type ConfigEntry, readEntries } from "./git_config.ts";
import { type GitContext, runGit } from "./run_git.ts";

/** Settings that give git the credentials for one host only. */
export interface Access {
  readonly config: readonly ConfigEntry[];
  /** Variables that the settings refer to. */
  readonly variables: Readonly<Record<string, string>>;
}

/** A URL without its credentials, and the settings with which git uses them. */
export interface UrlLogin extends Access {
  /** The URL without credentials, which may be stored in a file. */
  readonly publicUrl: string;
}

/** Options for {@linkcode splitLogin}. */
export interface SplitLoginOptions {
  /**
   * Whether the credentials are for all repositories of the host, such as
   * submodules, or only for this one.
   *
   * @default {"host"}
   */
  scope?: "host" | "repository";
}

/**
 * Removes the credentials from the URL of a repository, so that it can be
 * stored in the configuration of a clone, which the job can read.
 *
 * Git gets them from a credential helper for this host (and for https if the
 * URL is http, since servers redirect to it). So they also work for submodules
 * and Git LFS on the same host, and for no other host.
 *
 * The user of an ssh URL is not a secret and stays. In all other URLs, the
 * entire user info may be a token.
 *
 * @returns The URL without credentials, and the credentials.
 */
export function splitLogin(
  url: string,
  { scope = "host" }: SplitLoginOptions = {},
): UrlLogin {
  const [, scheme, userInfo, rest] =
    /^([^/:]+:\/\/)([^/?#]*)@(.*)$/s.exec(url) ?? [];
  if (userInfo === undefined) {
    return { publicUrl: url, config: [], variables: {} };
  }
  const [user] = userInfo.split(":", 1);
  const keepsUser = /ssh/.test(scheme) && user !== "";
  const publicUrl = `${scheme}${keepsUser ? `${user}@` : ""}${rest}`;
  if (!isHttp(publicUrl)) return { publicUrl, config: [], variables: {} };
  const scopes = configScopes(publicUrl, scope);
  // `insteadOf` settings of the user must not rewrite this URL.
  const identity: ConfigEntry = [`url.${publicUrl}.insteadOf`, publicUrl];
  if (!userInfo.includes(":")) {
    const config = scopes.map((scope): ConfigEntry => [
      `credential.${scope}.username`,
      decoded(user),
    ]);
    return { publicUrl, config: [identity, ...config], variables: {} };
  }
  const name = `RUNNERLIB_GIT_LOGIN_${scope.toUpperCase()}`;
  const helper =
    `!f() { if test "$1" = get; then printf %b "$${name}"; fi; }; f`;
  const config = scopes.flatMap((scope): ConfigEntry[] => [
    // The credentials in the URL take precedence over helpers of the user.
    [`credential.${scope}.helper`, ""],
    [`credential.${scope}.helper`, helper],
  ]);
  const password = userInfo.slice(user.length + 1);
  const text = `username=${escapeForPrintf(user)}\npassword=${
    escapeForPrintf(password)
  }\n`;
  return {
    publicUrl,
    config: [identity, ...config],
    variables: { [name]: text },
  };
}

/** Options for {@linkcode accessTo}. */
export interface AccessOptions {
  /** Credentials of the URL itself. */
  login: Access;
  /** Absolute path of the working directory of git. */
  cwd: string;
  /**
   * Whether git also connects to hosts that a tree names.
   *
   * @default {false}
   */
  namesHosts?: boolean;
}

/**
 * Adds the credentials of the environment and of the user's configuration, each
 * for the host of a URL only.
 *
 * @param urls URLs of the remotes, without credentials.
 */
export async function accessTo(
  urls: readonly string[],
  { login, cwd, namesHosts = false }: AccessOptions,
  context: GitContext,
): Promise<Access> {
  if (!namesHosts && !urls.some(isHttp)) return login;
  const outside = withoutRepository(context, cwd);
  const askpass = context.env.GIT_ASKPASS ?? "";
  const headers = findUnboundHeaders(context.env);
  const userConfig = await readCredentialSettings(cwd, {
    ...outside,
    variables: { ...outside.variables, ...headers.variables },
  });
  const isBound = askpass === "" && headers.values.length === 0 &&
    userConfig.headers.length === 0 && userConfig.boundHeaders.length === 0 &&
    !userConfig.helpers.some(isSnippet);
  if (isBound) return login;
  // The user's configuration may rewrite a URL to another host.
  const actualUrls: string[] = [];
  for (const url of urls) {
    const { stdout } = await runGit(
      ["ls-remote", "--get-url", "--end-of-options", url],
      cwd,
      { ...outside, config: login.config },
    );
    actualUrls.push(stdout.trim());
  }
  const bound = actualUrls.map((url) => bindAskpass(url, askpass));
  const all = [...headers.values, ...userConfig.headers];
  return {
    config: [
      ...bindHelpers(actualUrls, userConfig.helpers),
      // The credentials in the URL take precedence.
      ...login.config,
      ...bound.flatMap(({ config }) => config),
      ...all.length === 0 ? [] : [["http.extraHeader", ""] as const],
      ...actualUrls.flatMap((url) => bindHeaders(url, all)),
      ...userConfig.boundHeaders.map(([key]) => withoutRedirects(key)),
    ],
    variables: Object.assign(
      { ...login.variables },
      ...bound.map(({ variables }) => variables),
      headers.variables,
    ),
  };
}

/**
 * Restricts the `GIT_ASKPASS` program, which may answer every prompt with the
 * same token, to one host.
 *
 * @param url URL that git connects to.
 * @returns Settings that call the program after all other helpers, and the
 * variables that they refer to.
 */
function bindAskpass(url: string, askpass: string): Access {
  if (!isHttp(url) || askpass === "") return { config: [], variables: {} };
  const config = configScopes(url, "host").map((scope): ConfigEntry => [
    `credential.${scope}.helper`,
    askpassHelper,
  ]);
  return { config, variables: { RUNNERLIB_GIT_ASKPASS: askpass } };
}

/** Headers that an environment configures for all hosts. */
interface UnboundHeaders {
  readonly values: readonly string[];
  /** Variables that remove the headers from the configuration. */
  readonly variables: Readonly<Record<string, string>>;
}

/**
 * Finds the HTTP headers that `GIT_CONFIG_*` variables set for all hosts.
 * Workers use such a header to pass the token of the source.
 */
function findUnboundHeaders(
  env: Environment,
): UnboundHeaders {
  const names = Object.keys(env).filter((name) =>
    /^GIT_CONFIG_KEY_\d+$/.test(name) &&
    env[name].toLowerCase() === "http.extraheader"
  );
  return {
    values: names.map((name) => env[name.replace("KEY", "VALUE")] ?? ""),
    variables: Object.fromEntries(
      names.map((name) => [name, "runnerlib.extraHeader"]),
    ),
  };
}

/** Keeps git from finding a repository around a directory, and its settings. */
function withoutRepository(context: GitContext, cwd: string): GitContext {
  const variables = {
    ...context.variables,
    GIT_CEILING_DIRECTORIES: dirname(cwd),
  };
  return { ...context, variables };
}

/** Settings of the user that may contain credentials. */
interface UserSettings {
  /** Headers for all hosts. */
  readonly headers: readonly string[];
  /** Headers for some URLs. */
  readonly boundHeaders: readonly ConfigEntry[];
  readonly helpers: readonly ConfigEntry[];
}

async function readCredentialSettings(
  cwd: string,
  context: GitContext,
): Promise<UserSettings> {
  const { stdout } = await runGit(
    [
      ...["config", "--null", "--get-regexp"],
      "^(http\\.(.*\\.)?extraheader|credential\\.(.*\\.)?helper)$",
    ],
    cwd,
    context,
  );
  const settings = readEntries(stdout);
  const headers = settings.filter(([key]) => key.startsWith("http."));
  const isUnbound = ([key]: ConfigEntry) => key === "http.extraheader";
  return {
    headers: headers.filter(isUnbound).map(([, value]) => value),
    boundHeaders: headers.filter((entry) => !isUnbound(entry)),
    helpers: settings.filter(([key]) => key.startsWith("credential.")),
  };
}

/**
 * Restricts HTTP headers to one host.
 *
 * @param url URL that git connects to.
 * @returns Settings of git.
 */
function bindHeaders(
  url: string,
  headers: readonly string[],
): ConfigEntry[] {
  if (!isHttp(url) || headers.length === 0) return [];
  return configScopes(url).flatMap((scope): ConfigEntry[] => [
    ...headers.map((header): ConfigEntry => [
      `http.${scope}/.extraHeader`,
      header,
    ]),
    withoutRedirects(`http.${scope}/.extraheader`),
  ]);
}

/** Keeps a header with its URL: git would send it along every redirect. */
function withoutRedirects(key: string): ConfigEntry {
  return [key.replace(/extraheader$/, "followRedirects"), "false"];
}

/**
 * Restricts credential helpers that are shell snippets to the hosts of some
 * URLs, because most of them print the same token for every host. Programs are
 * expected to check the host.
 *
 * @param urls URLs that git connects to.
 * @param helpers All configured helpers in order.
 * @returns Settings that replace the helpers, in the same order; none if there
 * are no shell snippets.
 */
function bindHelpers(
  urls: readonly string[],
  helpers: readonly ConfigEntry[],
): ConfigEntry[] {
  if (!helpers.some(isSnippet)) return [];
  const scopes = urls.filter(isHttp).flatMap((url) => configScopes(url));
  return [
    ["credential.helper", ""],
    ...helpers.flatMap((entry): ConfigEntry[] =>
      isSnippet(entry)
        ? scopes.map((scope) => [`credential.${scope}.helper`, entry[1]])
        : [entry]
    ),
  ];
}

/** Checks whether a setting is a shell snippet for all hosts. */
function isSnippet([key, value]: ConfigEntry): boolean {
  return key === "credential.helper" && value.trimStart().startsWith("!");
}

/** Makes a program that answers prompts work as a credential helper. */
const askpassHelper = `!f() {
  test "$1" = get || exit 0
  user=
  while IFS= read -r line; do
    case $line in
      protocol=*) protocol=\${line#*=} ;;
      host=*) host=\${line#*=} ;;
      username=*) user=\${line#*=} ;;
    esac
  done
  if test -z "$user"; then
    user=$("$RUNNERLIB_GIT_ASKPASS" "Username for '$protocol://$host': ") || exit 0
  fi
  password=$("$RUNNERLIB_GIT_ASKPASS" "Password for '$protocol://$user@$host': ") || exit 0
  printf '%s\\n' "username=$user" "password=$password"
}; f`;

/** Checks whether git uses HTTP for a URL. */
function isHttp(url: string): boolean {
  return /^https?:\/\//i.test(url);
}

/**
 * Lists the URL prefixes to which settings for a URL apply.
 *
 * @param url HTTP or HTTPS URL.
 * @param scope Whether the prefix is the host or the repository.
 * @returns The prefixes; an http URL also has one in https.
 */
function configScopes(
  url: string,
  scope: "host" | "repository" = "host",
): string[] {
  const [, authority, path] = /^[^/]*\/\/([^/?#]*)([^?#]*)/.exec(url)!;
  const host = authority.replace(/^.*@/s, "");
  const end = scope === "host" ? "" : path;
  return url.startsWith("https:")
    ? [`https://${host}${end}`]
    : [`http://${host}${end}`, `https://${host}${end}`];
}

/** Converts percent-encoding to the escapes of `printf %b`. */
function escapeForPrintf(text: string): string {
  let result = "";
  for (const [part, hex] of text.matchAll(/%([0-9a-f]{2})|[^%]+|%/gi)) {
    const bytes = hex === undefined
      ? new TextEncoder().encode(part)
      : [Number.parseInt(hex, 16)];
    for (const byte of bytes) {
      result += `\\0${byte.toString(8).padStart(3, "0")}`;
    }
  }
  return result;
}
