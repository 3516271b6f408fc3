import {
  decoded,
  HIDDEN,
  INTEGRITY,
  isHarmless,
  isLocal,
  isTokenLike,
  partsOf,
  PORTS,
  portsOf,
} from "./url_parts.ts";
import {
  CONNECTION_PART,
  hideParameters,
  ORACLE_IN_TEXT,
  secretsInUrl,
  URL_IN_TEXT,
} from "./url_secrets.ts";

/**
 * How a URL is shown, and what in it is secret.
 *
 * A URL reaches messages from everywhere, often because it is wrong. So this
 * file lists what is shown, not what is hidden: the scheme, host, port and
 * path, the few query parameters that are known to be harmless, and the hash
 * of a pinned plugin. All else becomes `***`: user info, other parameters,
 * fragments, `;name=value` parts, and path segments that look like tokens.
 */

/** User info of addresses whose scheme was left out: name, colon, password. */
const SCHEMELESS_USER_INFO =
  /(^|[\s'"(=])(?!(?:npm|jsr|jdbc):)[^\s/@:'"(=]+:[^\s/@'"]*@(?!sha\d+:)/g;

/**
 * Writes a URL so that it can be shown.
 *
 * @param url URL, `host:path` of ssh, or local path; it may be broken, but is
 * not part of a longer text.
 */
export function showUrl(url: string): string {
  if (isLocal(url)) return url;
  const { scheme, userInfo, place, query, fragment } = partsOf(url);
  return [
    scheme,
    userInfo === "" ? "" : `${HIDDEN}@`,
    showPlace(place, scheme),
    query === undefined ? "" : `?${showQuery(query)}`,
    fragment === undefined ? "" : `#${showFragment(fragment)}`,
  ].join("");
}

/**
 * Writes a text so that the URLs in it can be shown.
 *
 * @param text Message, or what a program said.
 * @param url URL that the program was given: what is secret in it is hidden in
 * other shapes as well, such as the password alone.
 */
export function showUrlsIn(text: string, url?: string): string {
  let shown = text;
  for (const secret of url === undefined ? [] : shapesOf(url)) {
    shown = shown.replaceAll(secret, HIDDEN);
  }
  if (!/[@=]|:\/\//.test(shown)) return shown;
  return hideParameters(shown.replace(URL_IN_TEXT, showMatch))
    .replace(ORACLE_IN_TEXT, showMatch)
    .replace(SCHEMELESS_USER_INFO, `$1${HIDDEN}@`)
    .replace(CONNECTION_PART, `$1$2${HIDDEN}`);
}

function showPlace(place: string, scheme: string): string {
  const [authority] = scheme === "" ? [""] : /^[^/;]*/.exec(place)!;
  const ports = portsOf(authority);
  // The text ends inside a password, or the host is missing.
  const isCut = ports !== undefined && !PORTS.test(ports);
  const shown = isCut
    ? `${authority.slice(0, -ports.length)}${HIDDEN}`
    : authority;
  return shown + place.slice(authority.length).split("/")
    .map((segment) =>
      isTokenLike(segment) ? HIDDEN : segment.replace(/;.*$/s, `;${HIDDEN}`)
    ).join("/");
}

function showQuery(query: string): string {
  if (query === "") return "";
  const all = query.split("&");
  const shown = all.filter((parameter) => {
    const [, name = "", value = ""] = /^([^=]*)=(.*)$/s.exec(parameter) ?? [];
    return isHarmless(name, value);
  });
  return [...shown, ...shown.length < all.length ? [HIDDEN] : []].join("&");
}

function showFragment(fragment: string): string {
  return fragment === "" || INTEGRITY.test(fragment) ? fragment : HIDDEN;
}

/** Punctuation behind a URL belongs to the sentence. */
function showMatch(match: string): string {
  const [end] = /[.,:;!)\]}]*$/.exec(match)!;
  return showUrl(match.slice(0, match.length - end.length)) + end;
}

/** The secrets of a URL, and its user info as a whole, in the shapes that tools repeat. */
function shapesOf(url: string): string[] {
  const { userInfo } = isLocal(url) ? { userInfo: "" } : partsOf(url);
  return [
    ...userInfo === "" ? [] : [`${userInfo}@`, `${decoded(userInfo)}@`],
    ...secretsInUrl(url),
  ].filter((shape) => shape.length >= 4);
}
