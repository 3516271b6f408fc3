/**
 * Secrets in URLs. Finding them (`secretsInUrl`, `secretsInText`) and hiding
 * them (`showUrl`, `showUrlsIn`) are in one file, so that what is hidden in a
 * message is also masked in the output of a job.
 *
 * 1. A URL is split into parts by `splitUrl()`. Unescaped `@ / ? # :` in a
 *    password make the end of the user info ambiguous. Then the last `@` ends
 *    it, since it is better to hide a part of the path than to show a part of a
 *    password.
 * 2. Passwords, tokens in place of user names, parameters and fragments are
 *    secret if their name or length suggests it.
 * 3. URLs in messages are often invalid. Therefore, the rules for display list
 *    what is shown, not what is hidden: the scheme, host, port and path, a few
 *    harmless parameters, and the hash of a pinned plugin. Everything else
 *    becomes `***`.
 *
 * @module
 */

/** Names of parameters whose values are secret at any length. */
const SECRET_NAME = /sig(?:nature)?$|token$|secret|passw|pwd|passphrase|^sas$/i;

/** Names of parameters whose values are secret unless they are short. */
const LIKELY_SECRET_NAME =
  /key|pass|token|credential|auth(?!or)|^code$|jwt|session/i;

/** Minimum length of a secret value of such a parameter. */
const MIN_LIKELY_LENGTH = 8;

/** Minimum length of a secret value of another parameter. */
const MIN_LONG_LENGTH = 20;

/** Minimum length of a password that may also be a path. */
const MIN_AMBIGUOUS_LENGTH = 12;

/** Parts of connection strings outside of URLs. */
const CONNECTION_PART: RegExp =
  /\b(SharedAccess(?:Signature|Key)|AccountKey|AccessKey|Password|Pwd)(\s*=\s*)("[^"\r\n]+"|'[^'\r\n]+'|[^;\s"'&]+)/gi;

/** URLs in a text; quotes and brackets end them. */
const URL_IN_TEXT: RegExp =
  /(?:(?:\b[a-z][a-z0-9+.-]{0,30}::?){1,4}\/\/|\b(?:https?|ssh|git|svn|ftp):\/?(?=[^\s/"'<>`]{1,1000}@)|(?<![^\s"'(=])\/\/(?=[^\s/"'<>`]{1,1000}@))[^\s"'<>`]+/gi;

/** Connection strings of Oracle in a text. */
const ORACLE_IN_TEXT: RegExp =
  /\bjdbc:oracle:\w+:[^\s"'<>`@]*\/[^\s"'<>`]*@[^\s"'<>`]*/gi;

/** A data source name (DSN) of Go's MySQL driver. */
const DATA_SOURCE = /^\s*[^\s:@/]*:(\S+)@\w*\([^()\s]*\)\//;

/** Query parameters, also without the scheme of a URL. */
const PARAMETER = /([?&])([\w.-]{1,64})=([^&;\s"'`<>#]+)/g;

/**
 * Each match of the expressions above has one of these. Most texts have none,
 * and compiling an expression takes long.
 */
const URL_HINTS = ["//", "@", "="];

/** Placeholders of shells and templates. */
const PLACEHOLDER =
  /^(?:\$\w+|\$\{[^}]*\}|\$\([^)]*\)|%\w+%|<[^>]*>|\{\{.*\}\})$/;

/** Passwords that are not secret: none, and placeholders next to a token. */
const NO_PASSWORDS = ["", "x-oauth-basic", "x-access-token"];

/** Replacement for a hidden part of a URL. */
const HIDDEN = "***";

/** Words that are never secret. */
const COMMON_VALUES = ["true", "false", "null", "none", HIDDEN];

/**
 * Finds the secrets in a URL.
 *
 * @param url URL, or any other text.
 * @returns Secrets, as written and decoded, longest first.
 */
export function secretsInUrl(url: string): string[] {
  if (isLocal(url)) return [];
  const parts = splitUrl(url);
  const { scheme, userInfo, end, place, query = "", fragment = "" } = parts;
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
 * Finds the secrets in the URLs and connection strings of a text.
 *
 * @returns Distinct secrets.
 */
export function secretsInText(text: string): string[] {
  const hints = URL_HINTS.filter((part) => text.includes(part));
  if (hints.length === 0) return [];
  const urls = hints[0] === "=" ? [] : [
    ...wholeUrl(text) ?? text.match(URL_IN_TEXT) ?? [],
    ...text.match(ORACLE_IN_TEXT) ?? [],
  ];
  const pairs = hints.includes("=") ? [CONNECTION_PART, PARAMETER] : [];
  const values = pairs.flatMap((pair) => [...text.matchAll(pair)])
    .filter(([, start, name, value]) =>
      !"?&".includes(start) || isNamedSecret(name, value)
    ).map((match) => match[3].replace(/^(["'])(.*)\1$/, "$2"));
  const secrets = [
    ...urls.flatMap(secretsInUrl),
    ...dataSourcePassword(text) ?? [],
    ...values,
  ];
  return [...new Set(secrets)].filter(isWorthMasking);
}

/** Returns the password in a data source name: `me:password@tcp(host)/db`. */
export function dataSourcePassword(text: string): [string] | undefined {
  const password = DATA_SOURCE.exec(text)?.[1];
  return password === undefined ? undefined : [password];
}

/**
 * Returns the URL of a text that is a URL, or one after a word such as `html=`.
 * Inside a URL, quotes, brackets and even spaces may be part of a password.
 */
function wholeUrl(text: string): [string] | undefined {
  const url = text.replace(/^[\w.-]{1,64}=(?=[a-z][a-z0-9+.-]{0,30}:)/i, "");
  if (!SCHEME.test(url)) return undefined;
  if (!/\s/.test(url)) return [url];
  const isList = /[\r\n]/.test(url) || url.split("://").length > 2;
  return !isList && /\s/.test(splitUrl(url).userInfo) ? [url] : undefined;
}

function userInfoSecrets(
  scheme: string,
  userInfo: string,
  end: UrlParts["end"],
): string[] {
  if (userInfo === "") return [];
  const isOracle = ORACLE_SCHEME.test(scheme);
  const [, user, password] =
    (isOracle ? /^([^/]*)\/?(.*)$/s : /^([^:]*):?(.*)$/s).exec(userInfo)!;
  const secrets: string[] = [];
  // Without a password, the user of an https URL is a token; that of ssh is just a name.
  const isWeb = /^https?:\/\/$/i.test(scheme);
  const hasPassword = !NO_PASSWORDS.includes(password);
  // Some services require an arbitrary word next to a token.
  const isBesideToken = password.length < 4 && user.length >= 8;
  if (isTokenLike(user) || isWeb && (!hasPassword || isBesideToken)) {
    secrets.push(user);
  }
  // As in postgres:postgres@, which protects nothing and is frequent in logs.
  if (!hasPassword || password === user) return secrets;
  if (end !== "ambiguous" || password.length >= MIN_AMBIGUOUS_LENGTH) {
    secrets.push(password);
  }
  if (end === "ambiguous") {
    secrets.push(...password.match(/^[^/?#]+(?=@)/) ?? []);
  }
  if (end === "cut") {
    secrets.push(
      ...password.split(/[/?#@:]/).filter((part) => part.length >= 6),
    );
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
  return splitQuery(query).filter(({ name, value }) =>
    isNamedSecret(name, value) ||
    value.length >= MIN_LONG_LENGTH && !isHarmless(name, value)
  ).map(({ value }) => value);
}

/** Outside of a URL, a long value may be anything, such as a path. */
function isNamedSecret(name: string, value: string): boolean {
  if (isHarmless(name, value)) return false;
  return isTokenLike(value) || SECRET_NAME.test(name) ||
    value.length >= MIN_LIKELY_LENGTH && LIKELY_SECRET_NAME.test(name);
}

function isWorthMasking(value: string): boolean {
  return value !== "" && !COMMON_VALUES.includes(value.toLowerCase()) &&
    !PLACEHOLDER.test(value);
}

/** Hides secret parameters in a text. */
function hideParameters(text: string): string {
  return text.replace(
    PARAMETER,
    (whole, separator, name, value) =>
      isNamedSecret(name, value) ? `${separator}${name}=${HIDDEN}` : whole,
  );
}

/** User info of URLs without a scheme: `name:password@`. */
const SCHEMELESS_USER_INFO =
  /(^|[\s'"(=])(?!(?:npm|jsr|jdbc):)[^\s/@:'"(=]+:[^\s/@'"]*@(?!sha\d+:)/g;

/**
 * Formats a URL for display, without its secrets.
 *
 * @param url URL, `host:path` of ssh, or local path. It may be invalid, but not
 * part of a longer text.
 */
export function showUrl(url: string): string {
  if (isLocal(url)) return url;
  const { scheme, userInfo, place, query, fragment } = splitUrl(url);
  return [
    scheme,
    userInfo === "" ? "" : `${HIDDEN}@`,
    showPlace(place, scheme),
    query === undefined ? "" : `?${showQuery(query)}`,
    fragment === undefined ? "" : `#${showFragment(fragment)}`,
  ].join("");
}

/**
 * Formats a text for display, without the secrets of its URLs.
 *
 * @param text Message, or output of a program.
 * @param url URL that the program received; its secrets are also hidden in
 * other forms, such as the password alone.
 */
export function showUrlsIn(text: string, url?: string): string {
  let shown = text;
  for (const secret of url === undefined ? [] : hiddenForms(url)) {
    shown = shown.replaceAll(secret, HIDDEN);
  }
  if (!/[@=]|:\/\//.test(shown)) return shown;
  return hideParameters(shown.replace(URL_IN_TEXT, showMatch))
    .replace(ORACLE_IN_TEXT, showMatch)
    .replace(SCHEMELESS_USER_INFO, `$1${HIDDEN}@`)
    .replace(CONNECTION_PART, `$1$2${HIDDEN}`);
}

function showPlace(place: string, scheme: string): string {
  const authority = readAuthority(place, scheme);
  const cut = cutPassword(place, scheme);
  const shown = cut === ""
    ? authority
    : `${authority.slice(0, -cut.length)}${HIDDEN}`;
  return shown + place.slice(authority.length).split("/")
    .map((segment) =>
      isTokenLike(segment) ? HIDDEN : segment.replace(/;.*$/s, `;${HIDDEN}`)
    ).join("/");
}

function readAuthority(place: string, scheme: string): string {
  return scheme === "" ? "" : /^[^/;]*/.exec(place)![0];
}

/** Returns a password in place of a port, at the end of a URL or without a host. */
function cutPassword(place: string, scheme: string): string {
  const ports = readPorts(readAuthority(place, scheme)) ?? "";
  return PORTS.test(ports) ? "" : ports;
}

function showQuery(query: string): string {
  if (query === "") return "";
  const hidden = hiddenParameters(query);
  const shown = query.split("&").filter((one) => !hidden.includes(one));
  return [...shown, ...hidden.length > 0 ? [HIDDEN] : []].join("&");
}

function hiddenParameters(query: string): string[] {
  return splitQuery(query)
    .filter(({ name, value }) => !isHarmless(name, value))
    .map(({ text }) => text);
}

function showFragment(fragment: string): string {
  return fragment === "" || INTEGRITY.test(fragment) ? fragment : HIDDEN;
}

/** Punctuation after a URL belongs to the sentence. */
function showMatch(match: string): string {
  const [end] = /[.,:;!)\]}]*$/.exec(match)!;
  return showUrl(match.slice(0, match.length - end.length)) + end;
}

/** Minimum length of a hidden part that is hidden without its name as well. */
const MIN_HIDDEN_LENGTH = 8;

/**
 * Returns what {@linkcode showUrl} hides of a URL, in the forms that tools
 * print, longest first.
 */
function hiddenForms(url: string): string[] {
  if (isLocal(url)) return [];
  const { scheme, userInfo, place, query, fragment } = splitUrl(url);
  const unnamed = [
    ...hiddenParameters(query ?? "").map((parameter) =>
      parameter.slice(parameter.indexOf("=") + 1)
    ),
    ...fragment === undefined || INTEGRITY.test(fragment) ? [] : [fragment],
  ].filter((part) => part.length >= MIN_HIDDEN_LENGTH);
  return [
    ...userInfo === "" ? [] : [`${userInfo}@`],
    cutPassword(place, scheme),
    ...unnamed,
    ...secretsInUrl(url),
  ].flatMap((form) => [form, decoded(form)])
    .filter((form) => form.length >= 4)
    .sort((a, b) => b.length - a.length);
}

/**
 * One or more schemes, as in `https://` and `jdbc:postgresql://`. If there is
 * user info, there may be more slashes or one less, and the name of the scheme
 * may be missing.
 */
const SCHEME: RegExp =
  /^\s*(?:(?:[a-z][a-z0-9+.-]{0,30}::?){1,4}\/\/(?:(?<!\bfile:\/\/)\/+(?=[^/?#]*@))?|(?:https?|ssh|git|svn|ftp):\/?(?=[^/]+@)|\/\/(?=[^/]+@))/i;

const ORACLE_SCHEME = /^jdbc:oracle:/i;

/** URLs of Oracle have no slashes before user and password. */
const ORACLE = /^jdbc:oracle:\w+:(?=[^@/]*\/[^@]*@|\*\*\*@)/i;

/** A name with a slash, and a password; neither a package nor an image with its version. */
const NAME_WITH_SLASH: RegExp =
  /^[^/@:]+\/[^@:]*(?<!\b(?:npm|jsr|gh|node)):(?!\/\/)[^/@]+@(?!sha\d+:)[\w.[-]/;

/** The port of one host, or the ports of several hosts. */
const PORTS: RegExp = /^\d{0,5}(?:,[\w.-]+(?::\d{1,5})?)*$/;

/** Query parameters that identify the code, not the user. */
const HARMLESS_NAMES = new Set([
  ...["arch", "archive", "branch", "commit", "depth", "file", "filename"],
  ...["format", "os", "page", "path", "platform", "ref", "rev", "tag", "v"],
  ...["version"],
]);

/** Values of harmless parameters. */
const HARMLESS_VALUE = /^[\w.,/-]{0,64}$/;

/** Hash of a pinned file or package. */
const INTEGRITY: RegExp = /^sha(?:256|384|512)-[A-Za-z0-9+/=]+$/;

/** Tokens with a known prefix. */
const KNOWN_TOKEN =
  /^(?:gh[pousr]_|github_pat_|glpat-|gl[a-z]{1,5}-|xox[a-z]-|sk-|sk_|pk_|rk_|AKIA|ASIA|AIza|ya29\.|npm_|pypi-|dop_v1_|hvs\.|eyJ)\w/;

/** Parts of a URL. */
interface UrlParts {
  readonly scheme: string;
  /** Text before the `@`. */
  readonly userInfo: string;
  /** How the end of the user info was found. */
  readonly end: "plain" | "cut" | "ambiguous";
  /** Host, port and path. */
  readonly place: string;
  readonly query: string | undefined;
  readonly fragment: string | undefined;
}

/** Checks whether a text is a path or a plain word. */
function isLocal(url: string): boolean {
  return /^[./~]/.test(url) && !SCHEME.test(url) || !/[:@?]/.test(url);
}

/** Splits a URL, or `host:path` of ssh, into its parts. */
function splitUrl(url: string): UrlParts {
  const scheme = SCHEME.exec(url)?.[0] ?? ORACLE.exec(url)?.[0] ?? "";
  const rest = url.slice(scheme.length);
  const { userInfo, end } = findUserInfo(scheme, rest);
  const length = userInfo === "" && rest[0] !== "@" ? 0 : userInfo.length + 1;
  const [, place, query, fragment] = /^([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s
    .exec(rest.slice(length))!;
  return { scheme, userInfo, end, place, query, fragment };
}

function findUserInfo(
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
  if (ORACLE_SCHEME.test(scheme)) return upTo(last, "plain");
  if (scheme === "") {
    const [withPassword] = /^(?!npm:|jsr:)[^/@]*:[^/]*(?=@(?!sha\d+:))/s
      .exec(rest) ?? [];
    if (withPassword !== undefined) return upTo(withPassword.length, "plain");
    // The "git" of git@host:path is not a secret.
    const [user = ""] = /^[^/@:]+(?=@)/.exec(rest) ?? [];
    return isTokenLike(user) ? upTo(user.length, "plain") : none;
  }
  const [authority] = /^[^/?#]*/.exec(rest)!;
  const at = authority.lastIndexOf("@");
  if (at >= 0) {
    // Queries are hidden anyway.
    const inPath = /^[^?#]*/.exec(rest)![0].lastIndexOf("@");
    const isAmbiguous = inPath > at && authority.slice(0, at).includes(":");
    return isAmbiguous ? upTo(inPath, "ambiguous") : upTo(at, "plain");
  }
  const port = readPorts(authority);
  if (port === undefined) {
    // The user name itself may have a slash: https://domain/me:password@host
    const [path] = /^[^?#]*/.exec(rest)!;
    const hasPassword = NAME_WITH_SLASH.test(path);
    return hasPassword ? upTo(path.lastIndexOf("@"), "ambiguous") : none;
  }
  if (!PORTS.test(port)) return upTo(last, "cut");
  const behind = rest.slice(authority.length);
  // Registries use such paths: https://host:8080/@scope/name
  if (behind.startsWith("/@")) return none;
  return upTo(last, behind.startsWith("/") ? "ambiguous" : "cut");
}

/**
 * Returns the text after the first colon of an authority, except in an IPv6
 * address.
 */
function readPorts(authority: string): string | undefined {
  const from = authority.startsWith("[") ? authority.indexOf("]") + 1 : 0;
  const colon = authority.indexOf(":", from);
  return colon < 0 ? undefined : authority.slice(colon + 1);
}

/** Checks whether a word looks like a token: long, of digits and both cases. */
function isTokenLike(word: string): boolean {
  if (KNOWN_TOKEN.test(word) || /^bot\d+:/.test(word)) return true;
  return /^[A-Za-z0-9_=+~-]{20,}$/.test(word) && /\d/.test(word) &&
    /[a-z]/.test(word) && /[A-Z]/.test(word);
}

/** Splits a query; the value of a parameter without a name is its whole text. */
function splitQuery(query: string) {
  return query.split("&").map((text) => {
    const [, name = "", value = text] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
    return { text, name, value };
  });
}

/** Decodes percent-encoding, if it is valid. */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // The text is not encoded.
    return text;
  }
}

/** Checks whether a query parameter only identifies the code. */
function isHarmless(name: string, value: string): boolean {
  return HARMLESS_NAMES.has(name.toLowerCase()) && HARMLESS_VALUE.test(value) &&
    !isTokenLike(value);
}
