import { didYouMean, oneOf, suggest } from "../suggest.ts";

// deno-lint-ignore no-control-regex
const CONTROL_CHARACTER = /[\x00-\x1f\x7f-\x9f]/;
const ENCODED_CONTROL_CHARACTER = /%(?:[01][0-9a-f]|7f)/i;

/**
 * Validates the URL of a repository.
 *
 * Rejects everything that the client, or a program that it starts such as ssh,
 * could interpret as an option or a command, and passwords that every local
 * user could see among the arguments.
 *
 * @param url URL or local path.
 * @param schemes Allowed schemes.
 * @returns The problem, phrased to follow the name of the value; `undefined` if
 * there is none.
 */
export function repositoryUrlProblem(
  url: string,
  schemes: readonly string[],
): string | undefined {
  const plain = urlTextProblem(url);
  if (plain !== undefined) return plain;
  const [, scheme, rest = ""] = /^([^/:]*):(.*)$/s.exec(url) ?? [];
  if (scheme === undefined) return undefined;
  if (!schemes.includes(scheme) || !rest.startsWith("//")) {
    return schemeProblem(scheme, schemes);
  }
  return encodingProblem(url) ?? credentialsProblem(url) ??
    authorityProblem(/^\/\/([^/]*)/.exec(rest)?.[1] ?? "");
}

/**
 * Describes the problem of a URL whose scheme is not allowed.
 *
 * @param schemes Allowed schemes.
 * @returns The problem, phrased to follow the name of the value.
 */
export function schemeProblem(
  scheme: string,
  schemes: readonly string[],
): string {
  const near = suggest(scheme, schemes);
  return `must start with ${oneOf(schemes.map((name) => `${name}://`))}` +
    didYouMean(near === undefined ? undefined : `${near}://`);
}

/**
 * Rejects URLs and paths that are not safe as arguments of a client.
 *
 * @param url URL or path.
 * @returns The problem, phrased to follow the name of the value; `undefined` if
 * there is none.
 */
export function urlTextProblem(url: string): string | undefined {
  if (url.trim() === "") return "is empty";
  if (CONTROL_CHARACTER.test(url)) return "contains a control character";
  return url.startsWith("-") ? 'starts with "-"' : undefined;
}

/**
 * Rejects URLs with percent-encoded control characters, which can make a
 * credential helper return the password of another host.
 *
 * @returns The problem, phrased as for {@linkcode urlTextProblem}.
 */
export function encodingProblem(url: string): string | undefined {
  return ENCODED_CONTROL_CHARACTER.test(url)
    ? "contains an encoded control character"
    : undefined;
}

/**
 * Validates the user and host of a URL, which ssh gets as decoded arguments.
 *
 * @param authority User and host, percent-encoded.
 * @returns The problem, phrased as for {@linkcode urlTextProblem}.
 */
export function authorityProblem(authority: string): string | undefined {
  const decoded = authority.replace(
    /%([0-9a-f]{2})/gi,
    (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return decoded.split("@").some((part) => /^\[?-/.test(part))
    ? 'has a user or host that starts with "-"'
    : undefined;
}

/** The URL of a repository without its user and password. */
export interface UrlCredentials {
  /**
   * URL that is passed to a client. Clients show their arguments to every local
   * user and store the URL in the working copy. The user of an ssh URL stays in
   * it.
   */
  readonly url: string;
  /** Host without a port. */
  readonly host: string;
  /** Decoded user name, which may be a token. */
  readonly username?: Uint8Array<ArrayBuffer>;
  /** Decoded password. */
  readonly password?: Uint8Array<ArrayBuffer>;
}

/** Schemes whose clients do not need the password in the URL. */
const WITH_PASSWORD = ["http", "https", "svn"];

/** Scheme, user info, host and the rest of a URL. */
const URL_PARTS =
  /^([a-z][a-z0-9+.-]*):\/\/(?:([^/?#]*)@)?(\[[^\]]*\]|[^/?#:]*)(.*)$/is;

/**
 * Removes user and password from a URL.
 *
 * @param url URL, or a local path.
 * @returns The URL without credentials, and the credentials.
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
    ...username ? { username: percentDecode(username) } : {},
    ...password ? { password: percentDecode(password) } : {},
  };
}

/**
 * Rejects URLs whose password would become an argument of the client.
 *
 * @param url URL, or a local path.
 * @returns The problem, phrased to follow "the URL"; `undefined` if there is
 * none.
 */
function credentialsProblem(url: string): string | undefined {
  const [, scheme, userInfo, , rest] = URL_PARTS.exec(url) ?? [];
  if (scheme === undefined) return undefined;
  // A colon without a port: a slash in the password split it in two.
  if (rest.includes("@") && /^:(?!\d*(?:[/?#]|$))/.test(rest)) {
    return "has a password with a character that must be percent-encoded";
  }
  return userInfo?.includes(":") &&
      !WITH_PASSWORD.includes(scheme.toLowerCase())
    ? `has a password, which ${scheme} does not support`
    : undefined;
}

/**
 * Decodes the percent-encoding of a part of a URL.
 *
 * A `%` that does not start an escape is literal, as in a password that was
 * pasted into a URL.
 *
 * @param text Part of a URL.
 * @returns The decoded bytes, which may not be UTF-8.
 */
export function percentDecode(text: string): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  const bytes = text.split(/(%[0-9a-f]{2})/i).flatMap((part, index) =>
    index % 2 === 1
      ? [Number.parseInt(part.slice(1), 16)]
      : Array.from(encoder.encode(part))
  );
  return new Uint8Array(bytes);
}

/**
 * Returns the path of a `file:` URL.
 *
 * @throws {TypeError} If it is not UTF-8 or contains a NUL character.
 */
export function decodePath({ pathname }: URL): string {
  let path: string;
  try {
    path = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
      .decode(percentDecode(pathname));
  } catch (cause) {
    throw new TypeError("its path is not UTF-8", { cause });
  }
  if (path.includes("\0")) {
    throw new TypeError("its path contains a NUL character");
  }
  return path;
}
