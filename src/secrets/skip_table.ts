/** What a table says of a byte that is no part of what is skipped. */
export const KEPT = 0xff;

/** Between sequences; what every table begins with. */
export const GROUND = 0;

/** Behind the byte that starts a sequence. */
const ESCAPE = 1;

/** In a control sequence: colours, the cursor. */
const CONTROL = 2;

/** In a command of the operating system: titles, links. */
const COMMAND = 3;

/** In a sequence that chooses a character set. */
const CHARSET = 4;

const STATES = [GROUND, ESCAPE, CONTROL, COMMAND, CHARSET];

const [BEL, ESC, DEL] = [0x07, 0x1b, 0x7f];

/** The bytes that are white space: tab, line breaks, blank. */
const WHITE_SPACE = [0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x20];

/**
 * Makes the table of a machine that tells which bytes of a text a terminal
 * does not show, being parts of escape sequences (ECMA-48).
 *
 * At `state << 8 | byte` stands the next state for a byte that is skipped,
 * and {@linkcode KEPT} for one that is not, after which the state is
 * {@linkcode GROUND}. What breaks a sequence off does not bring back what was
 * skipped of it, as on a terminal.
 *
 * @param skipsWhiteSpace Whether white space is skipped, too.
 * @returns The table.
 */
export function makeSkipTable(skipsWhiteSpace: boolean): Uint8Array {
  const table = new Uint8Array(STATES.length << 8);
  for (const state of STATES) {
    for (let byte = 0; byte < 256; byte++) {
      table[state << 8 | byte] = nextState(state, byte) ??
        (skipsWhiteSpace && WHITE_SPACE.includes(byte) ? GROUND : KEPT);
    }
  }
  return table;
}

/** The state behind a byte of a sequence; `undefined` if it belongs to none. */
function nextState(state: number, byte: number): number | undefined {
  if (byte === ESC) return ESCAPE;
  const isFinal = byte >= 0x40 && byte < DEL;
  const isIntermediate = byte >= 0x20 && byte < 0x30;
  const isParameter = byte >= 0x30 && byte < 0x40;
  switch (state) {
    case ESCAPE:
      if (byte === 0x5b) return CONTROL;
      if (byte === 0x5d) return COMMAND;
      if (isIntermediate) return CHARSET;
      return isParameter || isFinal ? GROUND : undefined;
    case CONTROL:
      if (isIntermediate || isParameter) return CONTROL;
      return isFinal ? GROUND : undefined;
    case COMMAND:
      if (byte === BEL) return GROUND;
      return byte >= 0x20 && byte !== DEL ? COMMAND : undefined;
    case CHARSET:
      if (isIntermediate) return CHARSET;
      return isParameter || isFinal ? GROUND : undefined;
    default:
      return undefined;
  }
}
