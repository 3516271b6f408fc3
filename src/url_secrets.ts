import {
  decoded,
  HIDDEN,
  INTEGRITY,
  isHarmless,
  isLocal,
  isTokenLike,
  partsOf,
  SCHEME,
  type UrlParts,
} from "./url_parts.ts";

/** Names of parameters whose values are secret, however short. */
const SECRET_NAME = /sig(?:nature)?$|token$|secret|passw|pwd|passphrase|^sas$/i;

/** Names of parameters whose values are secret, unless they are mere words. */
const LIKELY_SECRET_NAME =
  /key|pass|token|credential|auth(?!or)|^code$|jwt|session/i;

/** Shortest value of such a parameter that is taken for a secret. */
const LIKELY_LENGTH = 8;

/** Shortest value of another parameter that is taken for a secret. */
const LONG_VALUE = 20;

/** Shortest text that is taken for a password though it may be a path. */
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
