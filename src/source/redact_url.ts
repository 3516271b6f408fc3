/** User info of the URLs in a text. */
const USER_INFO = /([A-Za-z][A-Za-z0-9+.-]{0,19}:\/\/)[^/?#\s]*@/g;

/** The same of URLs whose scheme was forgotten: name, colon, password. */
const SCHEMELESS_USER_INFO = /(^|[\s'"])[^\s/@:'"]+:[^\s/@]*@/g;

/** Shorter passwords protect nothing, and would blacken every word around them. */
const SHORTEST_SECRET = 4;

/**
 * Takes user name and password out of a URL, so that it can be shown.
 *
 * Works on broken URLs too, with line breaks or slashes in the password, since
 * it is they that get into errors. The `git@` of `git@host:path` is no secret
 * and stays.
 *
 * @param url URL, `host:path` of ssh, or local path; not a longer text.
 * @returns The URL with `***` in the place of user info.
 */
export function redactUrl(url: string): string {
  const [, scheme, rest] = partsOf(url);
  const userInfo = userInfoOf(url);
  return userInfo === "" ? url : `${scheme}***${rest.slice(userInfo.length)}`;
}

/**
 * Takes the user info of a URL out of what a tool said of it.
 *
 * Tools repeat it in other shapes than the URL: without the scheme, decoded,
 * the password alone. Other URLs in the text lose their user info as well.
 *
 * @param text What the tool said.
 * @param url URL that the tool was given.
 * @returns The text with `***` in the place of user info.
 */
export function redactText(text: string, url: string): string {
  const userInfo = userInfoOf(url);
  const password = /(?<=:).*/s.exec(userInfo)?.[0] ?? "";
  return [`${userInfo}@`, password]
    .flatMap((secret) => [secret, decoded(secret)])
    .filter((secret) => secret.length >= SHORTEST_SECRET)
    .reduce((rest, secret) => rest.replaceAll(secret, "***"), text)
    .replace(USER_INFO, "$1***@")
    .replace(SCHEMELESS_USER_INFO, "$1***@");
}

function userInfoOf(url: string): string {
  const [, scheme, rest] = partsOf(url);
  if (scheme === "") return /^[^/@]*:[^/]*(?=@)/.exec(rest)?.[0] ?? "";
  // A colon without a port behind it: a slash has cut the password in two.
  const cut = /^[^/?#@]*:[^/?#@]*[^/?#@\d]/.test(rest);
  return (cut ? /^.*(?=@)/s : /^[^/?#]*(?=@)/).exec(rest)?.[0] ?? "";
}

function partsOf(url: string): RegExpExecArray {
  return /^([A-Za-z][A-Za-z0-9+.-]*:\/\/|)(.*)$/s.exec(url)!;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // Not an encoded text: it has no other shape.
    return text;
  }
}
