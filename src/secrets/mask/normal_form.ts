/** Stands for quotes and backslashes; no text in UTF-8 has this byte. */
export const QUOTE = 0xff;

/** Stands for what is longer than any escape; no text in UTF-8 has this byte. */
export const GAP = 0xfe;

/** Stands for the two above where a text has them nevertheless. */
const OTHER = 0xfd;

const [BLANK, PLUS, BACKSLASH] = [0x20, 0x2b, 0x5c];

/** Returns the normal form of each byte that is not part of an escape. */
export const NORMAL: Uint8Array = normalForms();

/** The value of each hexadecimal digit; 255 for other bytes. */
export const HEX: Uint8Array = hexValues();

function normalForms(): Uint8Array {
  const forms = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  for (const quote of [0x22, 0x27, 0x60, BACKSLASH]) forms[quote] = QUOTE;
  forms[BLANK] = PLUS;
  forms[QUOTE] = forms[GAP] = OTHER;
  return forms;
}

function hexValues(): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => {
    const value = parseInt(String.fromCharCode(byte), 16);
    return Number.isNaN(value) ? 255 : value;
  });
}

/** Maximum length of a name of an entity. */
export const MAX_ENTITY_NAME = 10;

/** Entities of ASCII that are escaped by XML, HTML and what encodes all punctuation. */
const ASCII_ENTITIES =
  `quot=" QUOT=" amp=& AMP=& apos=' lt=< LT=< gt=> GT=> excl=! num=# dollar=$ percnt=% lpar=( rpar=) ast=* midast=* plus=+ comma=, period=. sol=/ colon=: semi=; equals== quest=? commat=@ lsqb=[ lbrack=[ bsol=\\ rsqb=] rbrack=] Hat=^ lowbar=_ grave=\` lcub={ lbrace={ verbar=| vert=| rcub=} rbrace=} Tab=\t NewLine=\n`;

/** Entities of HTML 4 from U+00A0 on, in the order of their characters. */
const LATIN_ENTITIES =
  "nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 sup3 acute micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml igrave iacute icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute thorn yuml euro";

/** The character of the last name above. */
const EURO = 0x20ac;

let entities: Map<string, number> | undefined;

/**
 * Returns the character that an entity stands for.
 *
 * @param name Its name.
 * @returns Number of the character; `undefined` for other names.
 */
export function entityOf(name: string): number | undefined {
  return (entities ??= entityNames()).get(name);
}

function entityNames(): Map<string, number> {
  const latin = LATIN_ENTITIES.split(" ").map((name, at) =>
    [name, name === "euro" ? EURO : 0xa0 + at] as const
  );
  const ascii = ASCII_ENTITIES.split(" ").map((entry) => {
    const name = entry.slice(0, entry.indexOf("="));
    return [name, entry.charCodeAt(name.length + 1)] as const;
  });
  return new Map([...latin, ...ascii]);
}
