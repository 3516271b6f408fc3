/**
 * Division of a URL into its parts, for those who show it or look for secrets.
 *
 * Passwords with raw `@ / ? # :` make the end of the user info ambiguous. Then
 * the last `@` ends it, so that rather a part of the path is hidden than a part
 * of a password shown.
 */

/** What stands for a hidden part of a URL. */
export const HIDDEN = "***";

/**
 * One or more schemes, as in `https://` and `jdbc:postgresql://`. They may lack
 * a slash or the name of the scheme, where user info shows what is meant.
 */
export const SCHEME: RegExp =
  /^\s*(?:(?:[a-z][a-z0-9+.-]{0,30}::?){1,4}\/\/|(?:https?|ssh|git|svn|ftp):\/?(?=[^/]+@)|\/\/(?=[^/]+@))/i;

/** Oracle's drivers have no slashes before user and password. */
const ORACLE = /^jdbc:oracle:\w+:(?=[^@/]*\/[^@]*@|\*\*\*@)/i;

/** Ports, also of several hosts. */
export const PORTS: RegExp = /^\d{0,5}(?:,[\w.-]+(?::\d{1,5})?)*$/;

/** Query parameters that say which code is meant, and nothing of who asks. */
const HARMLESS_NAMES = new Set([
  ...["arch", "archive", "branch", "commit", "depth", "file", "filename"],
  ...["format", "os", "page", "path", "platform", "ref", "rev", "tag", "v"],
  ...["version"],
]);

/** What a harmless parameter may hold. */
const HARMLESS_VALUE = /^[\w.,/-]{0,64}$/;

/** Hash of a pinned file or package. */
export const INTEGRITY: RegExp = /^sha(?:256|384|512)-[A-Za-z0-9+/=]+$/;

/** Tokens whose services give them a prefix. */
const KNOWN_TOKEN =
  /^(?:gh[pousr]_|github_pat_|glpat-|gl[a-z]{1,5}-|xox[a-z]-|sk-|sk_|pk_|rk_|AKIA|ASIA|AIza|ya29\.|npm_|pypi-|dop_v1_|hvs\.|eyJ)\w/;

/** Parts of a URL. */
export interface UrlParts {
  readonly scheme: string;
  /** Text before the `@`, which is not part of it. */
  readonly userInfo: string;
  /** How the end of the user info was found. */
  readonly end: "plain" | "cut" | "ambiguous";
  /** Host, port and path. */
  readonly place: string;
  readonly query: string | undefined;
  readonly fragment: string | undefined;
}

/** Checks whether a text is a path or a plain word. */
export function isLocal(url: string): boolean {
  return /^[./~]/.test(url) && !SCHEME.test(url) || !/[:@?]/.test(url);
}

/** Divides a URL, or `host:path` of ssh. */
export function partsOf(url: string): UrlParts {
  const scheme = SCHEME.exec(url)?.[0] ?? ORACLE.exec(url)?.[0] ?? "";
  const rest = url.slice(scheme.length);
  const { userInfo, end } = userInfoOf(scheme, rest);
  const length = userInfo === "" && rest[0] !== "@" ? 0 : userInfo.length + 1;
  const [, place, query, fragment] = /^([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s
    .exec(rest.slice(length))!;
  return { scheme, userInfo, end, place, query, fragment };
}

function userInfoOf(
  scheme: string,
  rest: string,
): Pick<UrlParts, "userInfo" | "end"> {
  const last = rest.lastIndexOf("@");
  if (last < 0) return { userInfo: "", end: "plain" };
  const upTo = (at: number, end: UrlParts["end"]) => ({
    userInfo: rest.slice(0, at),
    end,
  });
  const none = upTo(0, "plain");
  if (/^jdbc:oracle:/i.test(scheme)) return upTo(last, "plain");
  if (scheme === "") {
    const [withPassword] = /^(?!npm:|jsr:)[^/@]*:[^/]*(?=@(?!sha\d+:))/s
      .exec(rest) ?? [];
    if (withPassword !== undefined) return upTo(withPassword.length, "plain");
    // The "git" of git@host:path is a name that everybody knows.
    const [user = ""] = /^[^/@:]+(?=@)/.exec(rest) ?? [];
    return isTokenLike(user) ? upTo(user.length, "plain") : none;
  }
  const [authority] = /^[^/?#]*/.exec(rest)!;
  const at = authority.lastIndexOf("@");
  if (at >= 0) {
    // What is in a query is hidden in any case.
    const inPath = /^[^?#]*/.exec(rest)![0].lastIndexOf("@");
    const isAmbiguous = inPath > at && authority.slice(0, at).includes(":");
    return isAmbiguous ? upTo(inPath, "ambiguous") : upTo(at, "plain");
  }
  const port = portsOf(authority);
  if (port === undefined) return none;
  if (!PORTS.test(port)) return upTo(last, "cut");
  const behind = rest.slice(authority.length);
  // Registries have such paths: https://host:8080/@scope/name
  if (behind.startsWith("/@")) return none;
  return upTo(last, behind.startsWith("/") ? "ambiguous" : "cut");
}

/** What stands behind the first colon of an authority that is not an IPv6 address. */
export function portsOf(authority: string): string | undefined {
  const from = authority.startsWith("[") ? authority.indexOf("]") + 1 : 0;
  const colon = authority.indexOf(":", from);
  return colon < 0 ? undefined : authority.slice(colon + 1);
}

/** Checks whether a word looks generated: long, with digits and letters of both cases. */
export function isTokenLike(word: string): boolean {
  if (KNOWN_TOKEN.test(word) || /^bot\d+:/.test(word)) return true;
  return /^[A-Za-z0-9_=+~-]{20,}$/.test(word) && /\d/.test(word) &&
    /[a-z]/.test(word) && /[A-Z]/.test(word);
}

/** Decodes percent-encoding, where it is that. */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // Not an encoded text: it has no other shape.
    return text;
  }
}

/**
 * Checks whether a query parameter only names the code, and nothing about who
 * requests it.
 */
export function isHarmless(name: string, value: string): boolean {
  return HARMLESS_NAMES.has(name.toLowerCase()) && HARMLESS_VALUE.test(value) &&
    !isTokenLike(value);
}
