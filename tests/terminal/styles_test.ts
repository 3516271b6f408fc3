import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  onlyRenditions,
  PLAIN_LOOK,
  type StyledPiece,
  styledPieces,
  type TextLook,
} from "../../src/terminal/styles.ts";
import { withoutSequences } from "../../src/terminal/text.ts";
import { Random } from "../helpers/random.ts";

function piecesOf(text: string): StyledPiece[] {
  return styledPieces(text).pieces;
}

describe("styledPieces()", () => {
  it("reads the 16 colors, the 256 and those of 24 bits", () => {
    assertEquals(
      piecesOf("a\x1b[31mb\x1b[97;44mc\x1b[39md\x1b[me"),
      [
        ["a", {}],
        ["b", { color: 1 }],
        ["c", { color: 15, background: 4 }],
        ["d", { background: 4 }],
        ["e", {}],
      ],
    );
    for (
      const [sequence, look] of [
        ["38;5;208", { color: 208 }],
        ["38:5:208", { color: 208 }],
        ["48;5;208;1", { background: 208, isBold: true }],
        ["38;2;255;135;0", { color: 208 }],
        ["38:2::255:135:0", { color: 208 }],
        ["38:2:255:135:0;4", { color: 208, isUnderlined: true }],
        ["48;2;9;8;7;3", { background: 232, isItalic: true }],
        ["38;2;128;128;128", { color: 244 }],
        ["58;5;1;31", { color: 1 }],
        ["58;2;1;2;3;31", { color: 1 }],
        ["38;5;99999", { color: 255 }],
        ["38;5", {}],
        ["38;2;1;2", {}],
        ["38;6;31", { color: 1 }],
      ] as const
    ) assertEquals(piecesOf(`\x1b[${sequence}mx`), [["x", look]], sequence);
  });

  it("reads styles and their ends", () => {
    assertEquals(
      piecesOf("\x1b[1;2;3;4;7;9ma\x1b[22;23;24mb\x1b[27;29mc"),
      [
        ["a", {
          isBold: true,
          isDim: true,
          isItalic: true,
          isUnderlined: true,
          isInverse: true,
          isStruck: true,
        }],
        ["b", { isInverse: true, isStruck: true }],
        ["c", {}],
      ],
    );
    assertEquals(piecesOf("\x1b[4:3mwave\x1b[4:0mno"), [
      ["wave", { isUnderlined: true }],
      ["no", {}],
    ]);
  });

  it("shows hidden text, and removes all other sequences", () => {
    assertEquals(
      piecesOf(
        "\x1b[8mhidden\x1b[2J\x1b]0;title\x07\x1b]8;;http://x\x1b\\ link\x1b[?25l",
      ),
      [["hidden link", {}]],
    );
    // Text around a removed sequence does not become one.
    assertEquals(piecesOf("\x1b\x1b]0;x\x07[31mx"), [["\x1b[31mx", {}]]);
    assertEquals(piecesOf("\x1b[<31mx\x1b[31 mx\x1b[3"), [["xx3", {}]]);
  });

  it("continues the style of the preceding text", () => {
    const { look } = styledPieces("\x1b[1;31ma\n");
    assertEquals(styledPieces("b", look).pieces, [
      ["b", { color: 1, isBold: true }],
    ]);
  });

  it("takes linear time for sequences that never end", () => {
    for (
      const part of ["\x9d", "\x1b]", "\x1b[", "\x1b[1;", "\x90", "\x1b[m"]
    ) {
      const { pieces } = styledPieces(part.repeat(200_000));
      assert(pieces.length < 2);
    }
  });

  it("agrees with a terminal that reads character by character", () => {
    const random = new Random();
    for (let round = 0; round < 2_000; round++) {
      const text = randomText(random);
      const model = modelOf(text);
      const found = piecesOf(text).flatMap(([part, look]) =>
        Array.from(part, (character) => [character, look] as const)
      );
      assertEquals(
        found,
        model,
        `seed ${random.seed}: ${JSON.stringify(text)}`,
      );
      const kept = onlyRenditions(text, (part) => part);
      assertEquals(modelOf(kept), model, `seed ${random.seed}`);
      assertEquals(
        found.map(([character]) => character).join(""),
        withoutSequences(text),
      );
    }
  });
});

/** Text with semicolons only, as most programs write it. */
function randomText(random: Random): string {
  const codes = [
    0,
    1,
    2,
    3,
    4,
    7,
    9,
    22,
    23,
    24,
    27,
    29,
    31,
    39,
    42,
    49,
    95,
    101,
  ];
  const parts = Array.from({ length: random.below(8) }, () => {
    switch (random.below(4)) {
      case 0:
        return random.text(1 + random.below(3), "abü \n");
      case 1:
        return "\x1b[2K";
      default:
        return `\x1b[${
          Array.from(
            { length: random.below(4) },
            () =>
              random.below(4) === 0
                ? `${random.pick([38, 48])};5;${random.below(256)}`
                : random.pick(codes),
          ).join(";")
        }m`;
    }
  });
  return parts.join("");
}

/**
 * Reads one character after the other, and keeps the look in a table of flags.
 */
function modelOf(text: string): (readonly [string, TextLook])[] {
  const shown: (readonly [string, TextLook])[] = [];
  let look: Record<string, number | true> = {};
  const on: Record<number, string[]> = {
    1: ["isBold"],
    2: ["isDim"],
    3: ["isItalic"],
    4: ["isUnderlined"],
    7: ["isInverse"],
    9: ["isStruck"],
  };
  const off: Record<number, string[]> = {
    0: Object.keys({ ...PLAIN_LOOK }),
    22: ["isBold", "isDim"],
    23: ["isItalic"],
    24: ["isUnderlined"],
    27: ["isInverse"],
    29: ["isStruck"],
    39: ["color"],
    49: ["background"],
  };
  const characters = [...text];
  while (characters.length > 0) {
    const character = characters.shift()!;
    if (character !== "\x1b") {
      shown.push([character, { ...look }]);
      continue;
    }
    characters.shift();
    let inside = "";
    while (!/[A-Za-z]/.test(characters[0])) inside += characters.shift();
    if (characters.shift() !== "m") continue;
    const numbers = inside.split(";").map(Number);
    while (numbers.length > 0) {
      const number = numbers.shift()!;
      if (number === 0) look = {};
      for (const name of on[number] ?? []) look[name] = true;
      for (const name of off[number] ?? []) delete look[name];
      const tens = Math.floor(number / 10);
      if (number === 38 || number === 48) {
        numbers.shift();
        look[number === 38 ? "color" : "background"] = numbers.shift()!;
      } else if (number % 10 < 8) {
        if (tens === 3) look.color = number % 10;
        if (tens === 4) look.background = number % 10;
        if (tens === 9 && number !== 9) look.color = 8 + number % 10;
        if (tens === 10) look.background = 8 + number % 10;
      }
    }
  }
  return shown;
}
