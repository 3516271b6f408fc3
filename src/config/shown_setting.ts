import type { OptionName } from "../options/options.ts";
import { showUrl, showUrlsIn } from "../url_secrets.ts";
import type { SettingValue } from "./settings.ts";

/**
 * Writes the value of an option in one line, without the credentials in URLs.
 * The caller masks other secrets when it prints the text.
 */
export function shownSetting(name: OptionName, value: SettingValue): string {
  const text = typeof value === "string" && /^[^\n"]*$/.test(value)
    ? value
    : JSON.stringify(value);
  return name.endsWith("_url") ? showUrl(text) : showUrlsIn(text);
}
