import type { CI_SYSTEMS } from "../options/options.ts";

/** A CI system that interprets markers in a log. */
export type CiSystem = keyof typeof CI_SYSTEMS;

/** Replaces control characters, including line breaks, with spaces. */
export function oneLineOf(text: string): string {
  return text.replace(/\p{Cc}+/gu, " ");
}

/** Escapes the text of a GitHub workflow command. */
export function githubData(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D")
    .replaceAll("\n", "%0A");
}

/** Escapes a property of a GitHub workflow command. */
export function githubProperty(text: string): string {
  return githubData(oneLineOf(text)).replaceAll(":", "%3A")
    .replaceAll(",", "%2C");
}

/** Escapes a property of an Azure Pipelines logging command. */
export function azureProperty(text: string): string {
  return oneLineOf(text).replaceAll("%", "%AZP25").replaceAll(";", "%3B")
    .replaceAll("]", "%5D");
}

/** Escapes a value in a TeamCity service message. */
export function teamcityValue(text: string): string {
  return text.replace(/[|'[\]]/g, "|$&").replaceAll("\n", "|n")
    .replaceAll("\r", "|r")
    .replace(
      /[^\x20-\x7e|]/g,
      (character) =>
        `|0x${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
    );
}

/**
 * Returns the marker that starts or ends a GitLab section.
 *
 * @param second Time in seconds since the epoch.
 * @param name Letters, digits and underscores.
 */
export function gitlabSection(
  border: "start" | "end",
  second: number,
  name: string,
): string {
  return `\x1b[0Ksection_${border}:${second}:${name}\r\x1b[0K`;
}
