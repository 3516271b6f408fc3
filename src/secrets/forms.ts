import { encodedForms } from "./encoded_forms.ts";
import { quotedForms } from "./quoted_forms.ts";

/** Shortest line of a value of several lines that is a secret by itself, in characters. */
const MIN_LINE = 8;

/** Longest value that is derived, in characters: a longer one is no password. */
const MAX_DERIVED = 64 * 1024;

/** Shortest value that is found whatever white space is in it, in characters. */
const MIN_SPREAD = 8;

const LINE_BREAK = /\r\n|[\r\n]/;

/** White space that masking skips. */
const SPACE = /[\t-\r ]+/g;

/** Texts that need no quotes anywhere and have no parts. */
const PLAIN = /^[\w.-]+$/;

/** Lines that every file of their kind has. */
const STRUCTURAL = /^(-----(BEGIN|END) .*-----|[\s{}[\]()<>;:,"'=_*#/.-]*)$/;

/**
 * Gives every form in which a secret may be printed.
 *
 * These are the value, the value without the white space or quotes around it,
 * its longer lines, the password of a URL, and each of these quoted, escaped
 * and encoded.
 *
 * @param value The secret.
 * @returns Different, non-empty texts.
 */
export function formsOf(value: string): Set<string> {
  const forms = new Set<string>();
  for (const variant of variantsOf(value)) {
    forms.add(variant);
    if (variant.length > MAX_DERIVED) continue;
    // Most tokens look the same in all quotes.
    if (!PLAIN.test(variant)) addAll(forms, quotedForms(variant));
    addAll(forms, encodedForms(variant));
  }
  forms.delete("");
  return forms;
}

/**
 * Gives a secret of several lines without its white space, to be found in a
 * text whatever white space is between its lines.
 *
 * @param value The secret.
 * @returns The whole of it, and what it has between lines such as `-----BEGIN`;
 * nothing for a secret of one line, and nothing so short that it is common.
 */
export function spreadFormsOf(value: string): Set<string> {
  const lines = value.trim().split(LINE_BREAK);
  if (lines.length === 1) return new Set();
  const body = lines.filter((line) => !STRUCTURAL.test(line.trim()));
  const forms = [lines, body].map((it) => it.join("").replace(SPACE, ""));
  return new Set(forms.filter((form) => form.length >= MIN_SPREAD));
}

function addAll(forms: Set<string>, more: readonly string[]): void {
  for (const form of more) forms.add(form);
}

function variantsOf(value: string): Set<string> {
  if (PLAIN.test(value)) return new Set([value]);
  const trimmed = value.trim();
  const unquoted = /^(["'])(.*)\1$/s.exec(trimmed)?.[2] ?? trimmed;
  const password = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*?:([^/?#]+)@/i.exec(trimmed)
    ?.[1];
  const variants = [value, trimmed, unquoted, password ?? ""];
  const lines = trimmed.split(LINE_BREAK);
  if (lines.length > 1) {
    // Line breaks change on their way through terminals, forms and variables.
    for (const separator of ["\n", "\r\n", " ", ""]) {
      variants.push(lines.join(separator));
    }
    for (const line of lines.map((it) => it.trim())) {
      if (line.length >= MIN_LINE && !STRUCTURAL.test(line)) {
        variants.push(line);
      }
    }
  }
  return new Set(variants);
}
