import { VARIABLE_NAME } from "../../environment/variables.ts";
import { didYouMean, suggest } from "../../suggest.ts";
import { matchesParts } from "../collect.ts";
import { isProviderReference } from "../references.ts";
import type { SecretProvider, SecretProviders } from "./provider_definition.ts";

/** Key of a secret that has no other name, such as the content of a file. */
const WHOLE = "value";

/** File to read or command to run for a secret. */
export interface ProviderRequest {
  readonly provider: SecretProvider;
  /** Path as referenced. */
  readonly path: string;
  /** Program and arguments; empty if nothing is run. */
  readonly argv: readonly string[];
  /** Standard input of the program. */
  readonly stdin: string | undefined;
  /** Requests with the same ID have the same result. */
  readonly id: string;
}

/**
 * Checks a reference to a secret of a provider.
 *
 * @param providers Configured providers.
 * @param name Name of the provider.
 * @returns The request.
 * @throws {TypeError} If the provider cannot have the secret; the message gives
 * the reason.
 */
export function createRequest(
  providers: SecretProviders,
  name: string,
  path: string,
  key: string,
): ProviderRequest {
  const provider = providers.get(name);
  if (provider === undefined) {
    const near = suggest(name, providers.keys());
    throw new TypeError(
      `no secret provider has this name${
        didYouMean(near)
      } (the operator adds one with --secret-providers)`,
    );
  }
  if (!isProviderReference(path, key)) {
    throw new TypeError("the path or key is invalid");
  }
  if (
    provider.paths?.every((pattern) => !matchesParts(path, pattern.split("*")))
  ) {
    throw new TypeError(`"paths" of the provider does not allow this path`);
  }
  const problem = findReferenceProblem(provider, path, key);
  if (problem !== undefined) throw new TypeError(problem);
  const argv = provider.command.map((part) => fill(part, path, key));
  const stdin = formatInput(provider, path);
  const id = JSON.stringify([name, path, argv]);
  return { provider, path, argv, stdin, id };
}

function findReferenceProblem(
  { type, command, format }: SecretProvider,
  path: string,
  key: string,
): string | undefined {
  const keys: readonly string[] | undefined = type === "git"
    ? ["username", "password"]
    : type === "docker"
    ? ["username", "secret"]
    : format === "json" || command.some((part) => part.includes("{key}"))
    ? undefined
    : [WHOLE];
  if (keys?.includes(key) === false) {
    const words = keys.map((one) => `"${one}"`).join(" or ");
    return `the key must be ${words}`;
  }
  if (type === "env" && !VARIABLE_NAME.test(path)) {
    return "the path must be the name of a variable";
  }
  if (type === "git" && !/^https?:\/\/[\w.@:-]+(?:\/|$)/.test(path)) {
    return "the path must be an http: or https: URL";
  }
  if (type === "file" && path.startsWith("/")) {
    return "the path must be relative to the directory of the provider";
  }
  const at = command.findIndex((part) =>
    /^\{(?:path|key)\}/.test(part) && fill(part, path, key).startsWith("-")
  );
  return at < 0
    ? undefined
    : `argument ${at} of its command would start with "-" and be read as an option`;
}

/** Inserted text is not searched for placeholders. */
function fill(part: string, path: string, key: string): string {
  return part.replace(
    /\{(path|key)\}/g,
    (_, name) => name === "path" ? path : key,
  );
}

function formatInput(
  { type }: SecretProvider,
  path: string,
): string | undefined {
  if (type === "git") return `url=${path}\n\n`;
  return type === "docker" ? `${path}\n` : undefined;
}
