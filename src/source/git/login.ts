import type { ConfigEntry } from "./config.ts";

/** A location and the login that lets git reach it. */
export interface UrlLogin {
  /** The location without its login, as it may stand in a file. */
  readonly publicUrl: string;
  /** Configuration that gives git the login, for the host of the location alone. */
  readonly config: readonly ConfigEntry[];
  /** Variables to which the configuration refers. */
  readonly variables: Readonly<Record<string, string>>;
}

/** Options for {@linkcode splitLogin}. */
export interface SplitLoginOptions {
  /**
   * Whether the login is for every repository of the host, such as submodules,
   * or for the repository alone.
   *
   * @default {"host"}
   */
  scope?: "host" | "repository";
}

/**
 * Takes the login out of the location of a repository. What remains can stand in
 * the configuration of a clone, which the job reads.
 *
 * Git gets the login from a credential helper that is bound to the host (in
 * https too when the location says http, since servers redirect to it). So it
 * also holds for submodules and Git LFS on the same host, and for no other.
 *
 * The user of an ssh location is not a secret and stays. In any other location
 * the whole user info may be a token.
 *
 * @param url Location of a repository.
 * @param options Additional options.
 * @returns The location without the login, and the login.
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
  const scopes = scopesOf(publicUrl, scope);
  // Other locations alone are subject to the rewriting of a user.
  const plain: ConfigEntry = [`url.${publicUrl}.insteadOf`, publicUrl];
  if (!userInfo.includes(":")) {
    const config = scopes.map((scope): ConfigEntry => [
      `credential.${scope}.username`,
      decoded(user),
    ]);
    return { publicUrl, config: [plain, ...config], variables: {} };
  }
  const name = `RUNNERLIB_GIT_LOGIN_${scope.toUpperCase()}`;
  const helper =
    `!f() { if test "$1" = get; then printf %b "$${name}"; fi; }; f`;
  const config = scopes.flatMap((scope): ConfigEntry[] => [
    // The login of the location wins over that of a user's helpers.
    [`credential.${scope}.helper`, ""],
    [`credential.${scope}.helper`, helper],
  ]);
  const password = userInfo.slice(user.length + 1);
  const text = `username=${escaped(user)}\npassword=${escaped(password)}\n`;
  return { publicUrl, config: [plain, ...config], variables: { [name]: text } };
}

/**
 * Binds the program of `GIT_ASKPASS`, which may answer any question with the
 * same token, to one host.
 *
 * @param url Location to which git connects.
 * @param askpass The program.
 * @returns Configuration that asks it after every other helper, and the
 * variables to which that refers.
 */
export function bindAskpass(
  url: string,
  askpass: string,
): Omit<UrlLogin, "publicUrl"> {
  if (!isHttp(url) || askpass === "") return { config: [], variables: {} };
  const config = scopesOf(url, "host").map((scope): ConfigEntry => [
    `credential.${scope}.helper`,
    askpassHelper,
  ]);
  return { config, variables: { RUNNERLIB_GIT_ASKPASS: askpass } };
}

/** Headers that an environment configures for every host. */
export interface UnboundHeaders {
  /** The headers. */
  readonly values: readonly string[];
  /** Variables that take them out of the configuration. */
  readonly variables: Readonly<Record<string, string>>;
}

/**
 * Finds the http headers that an environment sets by `GIT_CONFIG_*` without a
 * host: workers set one of the source, with its token.
 *
 * @param env Environment of git.
 * @returns The headers.
 */
export function unboundHeaders(
  env: Readonly<Record<string, string>>,
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

/**
 * Binds http headers to one host.
 *
 * @param url Location to which git connects.
 * @param headers The headers.
 * @returns Configuration of git.
 */
export function bindHeaders(
  url: string,
  headers: readonly string[],
): ConfigEntry[] {
  if (!isHttp(url)) return [];
  return scopesOf(url).flatMap((scope) =>
    headers.map((header): ConfigEntry => [`http.${scope}/.extraHeader`, header])
  );
}

/**
 * Binds the credential helpers that are shell snippets without a host: most of
 * them print one token, whatever host asks. Programs know hosts themselves.
 *
 * @param url Location to which git connects.
 * @param helpers All helpers that are configured, in their order.
 * @returns The helpers in the same order; `undefined` if none has to be bound.
 */
export function bindHelpers(
  url: string,
  helpers: readonly ConfigEntry[],
): ConfigEntry[] | undefined {
  const isUnbound = ([key, value]: ConfigEntry) =>
    key === "credential.helper" && value.trimStart().startsWith("!");
  if (!helpers.some(isUnbound)) return undefined;
  const scopes = isHttp(url) ? scopesOf(url) : [];
  return helpers.flatMap((entry): ConfigEntry[] =>
    isUnbound(entry)
      ? scopes.map((scope) => [`credential.${scope}.helper`, entry[1]])
      : [entry]
  );
}

/** Adapts a program that answers prompts to git's credential protocol. */
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

/**
 * Checks whether git reaches a location by HTTP.
 *
 * @param url Location.
 * @returns Whether it does.
 */
export function isHttp(url: string): boolean {
  return /^https?:\/\//i.test(url);
}

/**
 * Lists the prefixes of URLs that share the host of a location.
 *
 * @param url Location that git reaches by http.
 * @param scope Whether the prefix is the host or the repository.
 * @returns The prefixes: http locations also count in https.
 */
export function scopesOf(
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

/** Writes each byte of a percent-encoded text as `printf %b` reads it. */
function escaped(text: string): string {
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

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // Not an encoded text.
    return text;
  }
}
