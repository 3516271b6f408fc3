/** Names of parameters whose values are secret, however short. */
const SECRET_NAME = /sig(?:nature)?$|token$|secret|passw|pwd|passphrase|^sas$/i;

/** Names of parameters whose values are secret, unless they are mere words. */
const LIKELY_SECRET_NAME =
  /key|pass|token|credential|auth(?!or)|^code$|jwt|session/i;

/** Minimum length of a value of such a parameter that is taken for a secret. */
const LIKELY_LENGTH = 8;

/** Minimum length of a value of another parameter that is taken for a secret. */
const LONG_VALUE = 20;

/** Minimum length of a text that is taken for a password though it may be a path. */
const AMBIGUOUS_LENGTH = 12;

/** Parts of connection strings that have no URL around them. */
export const CONNECTION_PART: RegExp =
  /\b(SharedAccess(?:Signature|Key)|AccountKey|AccessKey|Password|Pwd)(\s*=\s*)([^;\s"'&]+)/gi;

/** URLs in a text; quotes and brackets end them. */
export const URL_IN_TEXT: RegExp =
  /(?:(?:\b[a-z][a-z0-9+.-]{0,30}::?){1,4}\/\/|\b(?:https?|ssh|git|svn|ftp):\/?(?=[^\s/"'<>`]{1,1000}@)|(?<![^\s"'(=])\/\/(?=[^\s/"'<>`]{1,1000}@))[^\s"'<>`]+/gi;

/** Oracle's addresses in a text. */
export const ORACLE_IN_TEXT: RegExp =
  /\bjdbc:oracle:\w+:[^\s"'<>`@]*\/[^\s"'<>`]*@[^\s"'<>`]*/gi;

/** Parameters of a query, also of one that no scheme makes a URL. */
const PARAMETER = /([?&])([\w.-]{1,64})=([^&;\s"'`<>#]+)/g;

/** What a shell or a template puts a value in the place of. */
const PLACEHOLDER =
  /^(?:\$\w+|\$\{[^}]*\}|\$\([^)]*\)|%\w+%|<[^>]*>|\{\{.*\}\})$/;

/** Passwords that are no secret: none, or what stands for one beside a token. */
const NO_PASSWORDS = ["", "x-oauth-basic", "x-access-token"];

/** What stands for a hidden part of a URL. */
export const HIDDEN = "***";

/** Words that no rule takes for a secret. */
const COMMON_VALUES = ["true", "false", "null", "none", HIDDEN];

/**
 * Finds what is secret in a URL.
 *
 * @param url URL, or any other text.
 * @returns Secrets as they are written and decoded, longest first.
 */
export function secretsInUrl(url: string): string[] {
  if (isLocal(url)) return [];
  const { scheme, userInfo, end, place, query = "", fragment = "" } = partsOf(
    url,
  );
  const found = [
    ...userInfoSecrets(scheme, userInfo, end),
    ...pathSecrets(place),
    ...parameterSecrets(query),
    ...fragment.includes("=")
      ? parameterSecrets(fragment)
      : INTEGRITY.test(fragment) || !isTokenLike(fragment)
      ? []
      : [fragment],
  ];
  const all = found.flatMap((value) => [value, decoded(value)])
    .filter(isWorthMasking);
  return [...new Set(all)].sort((a, b) => b.length - a.length);
}

/**
 * Finds what is secret in the URLs and connection strings of a text.
 *
 * @param text Text, such as the value of a variable.
 * @returns Secrets, each one once.
 */
export function secretsInText(text: string): string[] {
  const isWhole = SCHEME.test(text) && !/\s/.test(text);
  const urls = isWhole ? [text] : [
    ...text.match(URL_IN_TEXT) ?? [],
    ...text.match(ORACLE_IN_TEXT) ?? [],
  ];
  const parts = [...text.matchAll(CONNECTION_PART)].map((match) => match[3]);
  const parameters = [...text.matchAll(PARAMETER)]
    .filter(([, , name, value]) => isNamedSecret(name, value))
    .map((match) => match[3]);
  const secrets = [...urls.flatMap(secretsInUrl), ...parts, ...parameters];
  return [...new Set(secrets)].filter(isWorthMasking);
}

function userInfoSecrets(
  scheme: string,
  userInfo: string,
  end: UrlParts["end"],
): string[] {
  if (userInfo === "") return [];
  const isOracle = /^jdbc:oracle:/i.test(scheme);
  const [, user, password] =
    (isOracle ? /^([^/]*)\/?(.*)$/s : /^([^:]*):?(.*)$/s).exec(userInfo)!;
  const secrets: string[] = [];
  // Without a password, a user of https is a token; one of ssh is just a name.
  const isWeb = /^https?:\/\/$/i.test(scheme);
  const hasPassword = !NO_PASSWORDS.includes(password);
  // Some services want any word beside a token.
  const isBeside = password.length < 4 && user.length >= 8;
  if (isTokenLike(user) || isWeb && (!hasPassword || isBeside)) {
    secrets.push(user);
  }
  // As in postgres:postgres@, which hides nothing and is everywhere in a log.
  if (!hasPassword || password === user) return secrets;
  if (end !== "ambiguous" || password.length >= AMBIGUOUS_LENGTH) {
    secrets.push(password);
  }
  if (end === "ambiguous") {
    secrets.push(...password.match(/^[^/?#]+(?=@)/) ?? []);
  }
  if (end === "cut") {
    secrets.push(...password.split(/[/?#@:]/).filter((it) => it.length >= 6));
  }
  return secrets;
}

function pathSecrets(place: string): string[] {
  return place.split("/").flatMap((segment) => [
    ...isTokenLike(segment) ? [segment] : [],
    ...parameterSecrets(segment.split(";").slice(1).join("&")),
  ]);
}

function parameterSecrets(query: string): string[] {
  return query.split("&").flatMap((parameter) => {
    const [, name = "", value = parameter] = /^([^=]*)=(.*)$/s
      .exec(parameter) ?? [];
    return isSecretParameter(name, value) ? [value] : [];
  });
}

function isSecretParameter(name: string, value: string): boolean {
  return isNamedSecret(name, value) ||
    value.length >= LONG_VALUE && !isHarmless(name, value);
}

/** Outside of a URL, a long value may be anything, such as a path. */
function isNamedSecret(name: string, value: string): boolean {
  if (isHarmless(name, value)) return false;
  return isTokenLike(value) || SECRET_NAME.test(name) ||
    value.length >= LIKELY_LENGTH && LIKELY_SECRET_NAME.test(name);
}

function isWorthMasking(value: string): boolean {
  return value !== "" && !COMMON_VALUES.includes(value.toLowerCase()) &&
    !PLACEHOLDER.test(value);
}

/** Hides the parameters of a text that are secret. */
export function hideParameters(text: string): string {
  return text.replace(
    PARAMETER,
    (whole, separator, name, value) =>
      isNamedSecret(name, value) ? `${separator}${name}=${HIDDEN}` : whole,
  );
}

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

/**
 * Division of a URL into its parts, for those who show it or look for secrets.
 *
 * Passwords with raw `@ / ? # :` make the end of the user info ambiguous. Then
 * the last `@` ends it, so that rather a part of the path is hidden than a part
 * of a password shown.
 */

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
