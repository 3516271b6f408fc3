import { percentDecoded } from "./percent.ts";

/** A URL of a repository, apart from the user and the password in it. */
export interface UrlCredentials {
  /**
   * URL as a client gets it, which shows its arguments to every local user and
   * stores the URL in the working copy. The user of an ssh URL stays in it.
   */
  readonly url: string;
  /** Host, without a port. */
  readonly host: string;
  /** Name of the user, decoded; it may be a token. */
  readonly username?: Uint8Array<ArrayBuffer>;
  /** Password, decoded. */
  readonly password?: Uint8Array<ArrayBuffer>;
}

/** Schemes whose clients take a password from somewhere else than a URL. */
const WITH_PASSWORD = ["http", "https", "svn"];

/** Scheme, user info, host and the rest of a URL. */
const URL_PARTS =
  /^([a-z][a-z0-9+.-]*):\/\/(?:([^/?#]*)@)?(\[[^\]]*\]|[^/?#:]*)(.*)$/is;

/**
 * Separates a URL from its credentials.
 *
 * @param url URL, or a local path.
 * @returns The URL without them, and the credentials.
 */
export function splitCredentials(url: string): UrlCredentials {
  const [, scheme, userInfo, host = "", rest] = URL_PARTS.exec(url) ?? [];
  if (userInfo === undefined || !WITH_PASSWORD.includes(scheme.toLowerCase())) {
    return { url, host };
  }
  const [, username, password] = /^([^:]*)(?::(.*))?$/s.exec(userInfo)!;
  return {
    url: `${scheme}://${host}${rest}`,
    host,
    ...username ? { username: percentDecoded(username) } : {},
    ...password ? { password: percentDecoded(password) } : {},
  };
}

/**
 * Checks that no client would be given a password in its arguments.
 *
 * @param url URL, or a local path.
 * @returns The problem, worded to follow "the URL"; `undefined` if there is none.
 */
export function credentialsProblem(url: string): string | undefined {
  const [, scheme, userInfo, , rest] = URL_PARTS.exec(url) ?? [];
  if (scheme === undefined) return undefined;
  // A colon without a port behind it: a slash has cut the password in two.
  if (rest.includes("@") && /^:(?!\d*(?:[/?#]|$))/.test(rest)) {
    return "has a password with a character that must be percent-encoded";
  }
  return userInfo?.includes(":") &&
      !WITH_PASSWORD.includes(scheme.toLowerCase())
    ? `has a password, which ${scheme} does not take from a URL`
    : undefined;
}
