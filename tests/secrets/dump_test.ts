import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Masker } from "../../src/secrets/masker.ts";
import { isProgramMissing } from "../helpers/missing_program.ts";
import { cut, maskPieces } from "../helpers/masking.ts";

const SECRETS = [
  "correct-horse-battery-staple-77",
  "hunter2",
  "übergrößenträger-日本語-🔑-x",
  "p@ss w0rd  with  | blanks > and $igns",
  "wJalrXUtnFEMIK7MDENG/bPxRfiCYEXAMPLEKEY".repeat(2),
];

/** Programs that dump their input, each with its options; Perl writes the dumps of curl, Wireshark and OpenSSL. */
const DUMPS: Record<string, string[]> = {
  xxd: [
    ...["", "-e", "-g1", "-g3", "-g4", "-g8", "-g8 -e", "-g0", "-c 7"],
    ...["-c 256", "-c 1", "-b", "-b -c 3", "-d", "-u", "-s 3", "-o 4096"],
  ],
  hexdump: [
    ...["", "-C", "-x", "-d", "-o", "-b", "-vc", "-Cv"],
    `-ve '16/1 "%02x " "\\n"'`,
    `-ve '"%08_ax " 4/4 "%08x " "\\n"'`,
    `-ve '"%06_ao: " 8/2 "%04x " "\\n"'`,
  ],
  od: [
    ...["", "-A x -t x1z", "-A d -t x1", "-A n -t x1z", "-t x2", "-t x4"],
    ...["-t x8", "-t x2z", "-t x8z", "-A n -t x2", "-A n -t x4"],
    ...["-A n -t x8", "-A x -t x4 --endian=big", "-t o1", "-t o2", "-t o4"],
    ...["-t o8", "-A x -t o2", "-t u1", "-t u2", "-t u4", "-t u8"],
    ...["-t d1", "-t d2", "-t d4", "-t d8", "-c", "-A x -c", "-A n -c"],
    ...["-t x1 -c", "-A x -t x1 -c", "-t x2 -t x4 -c", "-t o2 -t x1z"],
    ...["-w5 -t x1z", "-w1000 -t x1z", "-v -w1 -t x1z", "-v -w2 -t x2"],
  ],
  python3: [
    `-c 'import sys,binascii as b;d=sys.stdin.buffer.read();print(b.hexlify(d," ").decode())'`,
    `-c 'import sys;d=sys.stdin.buffer.read();print(d.hex(" ",4));print(d.hex(" ",-4))'`,
    `-c 'import sys
d=sys.stdin.buffer.read()
for i in range(0,len(d),12):
  r=d[i:i+12]
  print("%06x  %-36s |%s|" % (i,r.hex(" "),"".join(chr(c) if 31<c<127 else "." for c in r)))'`,
  ],
  perl: [
    `-0777 -ne 'my $i=0; for (unpack("(a16)*",$_)) { printf "%08X: %-48s  %s\\n",$i,join(" ",map{sprintf "%02X",ord}split//),s/[^ -~]/./gr; $i+=16 }'`,
    `-0777 -ne 'my $i=0; for (unpack("(a16)*",$_)) { my $h=join(" ",map{sprintf "%02x",ord}split//); printf "%04x: %-47s %s\\n",$i,$h,s/[^ -~]/./gr; $i+=16 }'`,
    `-0777 -ne 'my $i=0; for (unpack("(a16)*",$_)) { my $h=join(" ",map{sprintf "%02x",ord}split//); printf "%04x  %-48s  %s\\n",$i,$h,s/[^ -~]/./gr; $i+=16 }'`,
    `-0777 -ne 'my $i=0; for (unpack("(a16)*",$_)) { my $h=join(" ",map{sprintf "%02x",ord}split//); substr($h,23,1)="-" if 23<length $h; printf "%04x - %-47s   %s\\n",$i,$h,s/[^ -~]/./gr; $i+=16 }'`,
    `-0777 -ne 'my $i=0; for (unpack("(a16)*",$_)) { my $h=join(" ",map{sprintf "%02x",ord}split//); printf "%05x | %-47s | %s\\n",$i,$h,s/[^ -~]/./gr; $i+=16 }'`,
    `-0777 -ne 'my $i=0; for (unpack("(a10)*",$_)) { printf "%07o %s\\n",$i,join(" ",map{sprintf "%03o",ord}split//); $i+=10 }'`,
  ],
};

/** Changes to each line of a dump: prefixes with services and times, and colors of lines and numbers. */
const LINES: ((line: string) => string)[] = [
  (line) => `app_1  | ${line}`,
  (line) => `2026-11-28T20:44:10.123Z ${line}`,
  (line) => `\x1b[36m[build] \x1b[0m${line}`,
  (line) => `\x1b[32m${line}\x1b[0m`,
  (line) => line.replace(/\b[0-9a-f]{2,8}\b/gi, "\x1b[1;32m$&\x1b[0m"),
];

/** Options with which rows have no offset, or too many notations: after a prefix, they are not found. */
const PLAIN_ONLY = /-A n|-ve '16|hexlify|-t x2 -t x4|%0[45]x/;

/** Creates another secret of the same length and kind: each letter and digit becomes the next one. */
function neighborOf(secret: string): string {
  return secret.replace(
    /[a-yA-Y0-8]/g,
    (char) => String.fromCharCode(char.charCodeAt(0) + 1),
  );
}

const SEPARATOR = "=-=-=-=";

/** Returns the dump that each command writes of its text; all commands run in one shell. */
async function dumpsOf(
  commands: readonly [command: string, text: string][],
): Promise<Uint8Array[]> {
  const script = commands.map(([command], at) =>
    `printf %s "$TEXT_${at}" | ${command}\nprintf %s ${SEPARATOR}`
  );
  const texts = commands.map(([, text], at) => [`TEXT_${at}`, text]);
  const { stdout, stderr, success } = await new Deno.Command("sh", {
    args: ["-c", script.join("\n")],
    env: { ...Object.fromEntries(texts), LC_ALL: "C.UTF-8" },
  }).output();
  const problem = new TextDecoder().decode(stderr);
  assert(success && problem === "", problem);
  return new TextDecoder("latin1").decode(stdout).split(SEPARATOR)
    .slice(0, commands.length)
    .map((dump) => Uint8Array.from(dump, (char) => char.charCodeAt(0)));
}

async function dumpOf(command: string, text: string): Promise<Uint8Array> {
  const [dump] = await dumpsOf([[command, text]]);
  return dump;
}

/** Changes each line of a dump. */
function mapped(dump: Uint8Array, line: (line: string) => string): Uint8Array {
  const lines = new TextDecoder("latin1").decode(dump).split("\n");
  const text = lines.map((text, at) =>
    at === lines.length - 1 && text === "" ? "" : line(text)
  ).join("\n");
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

const maskers = new Map<string, Masker>();

function maskerOf(secret: string): Masker {
  const known = maskers.get(secret);
  if (known !== undefined) return known;
  const masker = new Masker();
  masker.add(secret);
  maskers.set(secret, masker);
  return masker;
}

/** Masks a dump that arrives in pieces of the same size. */
function masked(
  dump: Uint8Array,
  secret: string,
  pieceBytes: number,
): string {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < dump.length; at += pieceBytes) {
    pieces.push(dump.slice(at, at + pieceBytes));
  }
  return maskPieces(maskerOf(secret), pieces).text;
}

/** Removes spaces from a text: a shorter number is padded with more of them. */
function squeezed(text: string): string {
  return text.replace(/ +/g, " ");
}

for (const [program, options] of Object.entries(DUMPS)) {
  Deno.test({
    name:
      `Masker prints the same of a dump by ${program}, whatever the secret in it is`,
    ignore: isProgramMissing(program),
    async fn() {
      const around = (value: string) =>
        `user: admin\ntoken = ${value}, and\n${value} again\n`;
      const commands = options.flatMap((option, at) => {
        const secret = SECRETS[at % SECRETS.length];
        return [secret, neighborOf(secret)].map((
          value,
        ): [string, string] => [`${program} ${option}`, around(value)]);
      });
      const dumps = await dumpsOf(commands);
      for (const [at, option] of options.entries()) {
        const command = `${program} ${option}`;
        const secret = SECRETS[at % SECRETS.length];
        const other = neighborOf(secret);
        const [dump, otherDump] = dumps.slice(2 * at);
        const inLines = PLAIN_ONLY.test(option) ? 3 : at % LINES.length;
        const plain = (line: string) => line;
        for (
          const [line, ...sizes] of [
            [plain, 1, 17, 4096],
            [LINES[inLines], 13],
          ] as const
        ) {
          const expected = masked(mapped(otherDump, line), other, 4096);
          for (const pieceBytes of sizes) {
            const text = masked(mapped(dump, line), secret, pieceBytes);
            const what = `${command}, ${secret}, ${pieceBytes}, ${line("")}`;
            assertStringIncludes(text, "[REDACTED]", what);
            assertEquals(squeezed(text), squeezed(expected), what);
          }
        }
      }
    },
  });
}

Deno.test("Masker does not change text that only looks like a dump", async () => {
  const texts = [
    await dumpOf("od -t x2z -t o1 -c", "nothing that is secret\n".repeat(9)),
  ];
  const log = [
    ...["abc1234 Fix the start", "deadbeef 12 34", "  5 files", "   a"],
    ...["00000010: see below", "12 bottles", "100%", "*", "   +   +   -"],
    ...["app_1  | commit deadbeef 1234 5678", "# 0000010   a   b"],
    ...[
      "\x1b[32m00000010: see below\x1b[0m",
      "\x1b[1m12\x1b[0m \x1b[1m34\x1b[0m",
    ],
  ];
  for (const text of [...texts, new TextEncoder().encode(log.join("\n"))]) {
    assertEquals(
      masked(text, "correct-horse-battery-staple", 5),
      new TextDecoder("latin1").decode(text),
    );
  }
});

Deno.test("Masker holds back no more of a dump than a secret takes up", async () => {
  const secret = "correct-horse-battery-staple";
  const masker = new Masker();
  masker.add(secret);
  for (const command of ["od -t x2", "od -c", "od -A n -t x1z"]) {
    const dump = await dumpOf(command, `x ${"y".repeat(99)} ${secret} z\n`);
    // A secret of 28 bytes may be in 3 rows.
    const most = 3 * dump.indexOf(10);
    const stream = masker.stream();
    let held = new Uint8Array();
    for (const piece of cut(new TextDecoder().decode(dump), [...dump.keys()])) {
      const window = Uint8Array.from([...held, ...piece]);
      held = window.slice(stream.mask(window, false).heldFrom);
      assert(held.length <= most, `${command}: ${held.length}`);
    }
    assertEquals(held.length, 0, command);
  }
});

Deno.test("Masker does not hold back an endless line because it looks like a dump", () => {
  const masker = new Masker();
  masker.add("ab".repeat(100));
  const texts = ["6162 ", "61 62 61 62 61 62 61 62 aaaaaa ", "61 62\n."];
  for (const text of texts) {
    const stream = masker.stream();
    let held = new Uint8Array();
    for (const part of [text, ...Array(20).fill(text.at(-2)! + " ")]) {
      const added = new TextEncoder().encode(part.repeat(500));
      const window = Uint8Array.from([...held, ...added]);
      held = window.slice(stream.mask(window, false).heldFrom);
      assert(held.length <= 2_500, `${text}: ${held.length}`);
    }
  }
});
