import { Buffer } from "node:buffer";
import { assert, assertStringIncludes } from "@std/assert";
import { Masker } from "../../src/secrets/masker.ts";
import { isProgramMissing } from "../helpers/missing_program.ts";

/** Secrets that are difficult for encoders: quotes, spaces, other alphabets, line breaks, and text that looks encoded. */
const SECRETS = [
  "pa$'ss-$'w0rd",
  "correct-horse-battery-staple-77",
  `p@ss 'w"o\\rd'/+<&>$HOME\`x\`!{~}`,
  "übergrößenträger-日本語-🔑-x",
  "tabs\tand 'quotes'\nand breaks",
  "wJalrXUtn%41FEMI/K7MD=ENG+bPxRfi;CY",
  `C:\\new\\table"x\\u0041&lt;`,
  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
];

/** Prints the variable `S` as encoded by a tool; all tools of a language share a process. */
interface Tool {
  program: string;
  /** Creates a program of several expressions. */
  script: (expressions: readonly string[]) => string;
  args: (script: string) => string[];
  env?: Record<string, string>;
  /** Half of the secrets for which it is used. */
  half?: number;
  expressions: Record<string, string>;
}

const SEPARATOR = "\n=-=-=-=\n";

const PYTHON: Tool = {
  program: "python3",
  args: (script) => ["-c", script],
  script: (expressions) =>
    [
      "import os,json,base64,binascii,html,csv,io,quopri,shlex,sys",
      "import urllib.parse as u,xml.sax.saxutils as x,xml.etree.ElementTree as E",
      "s=os.environ['S'];b=s.encode()",
      "def row(**o):\n f=io.StringIO();csv.writer(f,**o).writerow([s]);return f.getvalue()",
      "def attr(m):\n e=E.Element('a');e.set('v',s);return E.tostring(e,encoding=m)",
      "out=[]",
      ...expressions.map((expression) =>
        `r=${expression}\nout.append(r if isinstance(r,bytes) else r.encode())`
      ),
      `sys.stdout.buffer.write(${
        JSON.stringify(SEPARATOR)
      }.encode().join(out))`,
    ].join("\n"),
  expressions: {
    "repr()": "repr(s)",
    "ascii()": "ascii(s)",
    "repr() of a list": "repr([s,{'k':s}])",
    "repr() of bytes": "repr(b)",
    "repr() of repr()": "repr(repr(s))",
    unicode_escape: "s.encode('unicode_escape')",
    "json.dumps()": "json.dumps(s)",
    "json.dumps() in UTF-8": "json.dumps(s,ensure_ascii=False)",
    "JSON in JSON": "json.dumps(json.dumps({'a':s}))",
    "JSON in JSON in JSON": "json.dumps(json.dumps(json.dumps([s])))",
    "JSON as .NET writes it":
      "''.join(c if c.isalnum() and c<'z' else ''.join('\\\\u%04X'%(d[0]<<8|d[1]) for d in [c.encode('utf-16-be')[i:i+2] for i in range(0,len(c.encode('utf-16-be')),2)]) for c in s)",
    "JSON that is safe in HTML":
      "json.dumps(s).replace('<','\\\\u003c').replace('>','\\\\u003e').replace('&','\\\\u0026').replace('=','\\\\u003d').replace(\"'\",'\\\\u0027')",
    "JSON with escaped slashes": "json.dumps(s).replace('/','\\\\/')",
    "quote()": "u.quote(s)",
    "quote() of everything": "u.quote(s,safe='')",
    "quote_plus()": "u.quote_plus(s)",
    "quote() in small letters":
      "__import__('re').sub('%..',lambda m:m[0].lower(),u.quote(s))",
    "quote() twice": "u.quote(u.quote(s))",
    "each byte percent-encoded": "''.join('%%%02x'%c for c in b)",
    "urlencode() of JSON": "u.urlencode({'q':json.dumps(s)})",
    "JSON of urlencode()": "json.dumps(u.urlencode({'q':s}))",
    "html.escape()": "html.escape(s)",
    "html.escape() twice": "html.escape(html.escape(s))",
    "html.escape() of JSON": "html.escape(json.dumps(s))",
    "JSON of html.escape()": "json.dumps(html.escape(s))",
    "quote() of html.escape()": "u.quote(html.escape(s),safe='')",
    "decimal references": "''.join('&#%d;'%ord(c) for c in s)",
    "hexadecimal references": "''.join('&#x%X;'%ord(c) for c in s)",
    "decimal references without semicolons":
      "'|'.join('&#%d'%ord(c) for c in s).replace('|','')",
    "hexadecimal references without semicolons":
      "''.join('&#x%X'%ord(c) for c in s)",
    "old entities without semicolons":
      "__import__('re').sub('(&[a-z]+);(?![\\w=])','\\\\1',html.escape(s))",
    "quoteattr()": "x.quoteattr(s)",
    "an attribute in ASCII": "attr('us-ascii')",
    "an attribute in UTF-8": "attr('utf-8')",
    "a row of CSV": "row()",
    "a row of CSV with single quotes":
      'row(quotechar="\'",quoting=csv.QUOTE_ALL)',
    "CSV in JSON": "json.dumps(row(quoting=csv.QUOTE_ALL))",
    "SQL": '"INSERT INTO t VALUES (\'"+s.replace("\'","\'\'")+"\')"',
    "shlex.quote()": "shlex.quote(s)",
    "shlex.quote() twice": "shlex.quote('echo '+shlex.quote(s))",
    "quoted-printable": "quopri.encodestring(b)",
    "quoted-printable behind text": "quopri.encodestring(b'token: '*9+b)",
    "quoted-printable with tabs": "quopri.encodestring(b,quotetabs=True)",
    base64: "base64.b64encode(b'user:'+b)",
    "base64 in lines": "base64.encodebytes(b'user:'+b)",
    "base64 for URLs": "base64.urlsafe_b64encode(b'x'+b).rstrip(b'=')",
    "base64 in a URL": "u.quote(base64.b64encode(b'xy'+b),safe='')",
    "base64 in lines in JSON":
      "json.dumps(base64.encodebytes(b'a longer text that stands in front: '+b).decode())",
    "base64 of UTF-16": "base64.b64encode(s.encode('utf-16-le'))",
    base32: "base64.b32encode(b)",
    "base32 behind text": "base64.b32encode(b'user:'+b).lower().rstrip(b'=')",
    "base64 of base64": "base64.b64encode(base64.b64encode(b'user:'+b))",
    "base64 of base64 of base64":
      "base64.b64encode(base64.b64encode(base64.b64encode(b)))",
    "base64 of base64 in lines":
      "base64.encodebytes(base64.encodebytes(b'some text that stands in front of it: '+b))",
    "base64 of hexadecimal": "base64.b64encode(binascii.hexlify(b))",
    "base64 of base32": "base64.b64encode(base64.b32encode(b))",
    "base64 of JSON": "base64.b64encode(json.dumps({'key':s}).encode())",
    "base64 of JSON of base64":
      "base64.b64encode(json.dumps({'auth':base64.b64encode(b'u:'+b).decode()}).encode())",
    "base64 of quote()": "base64.b64encode(u.quote(s,safe='').encode())",
    "hexadecimal of base64": "binascii.hexlify(base64.b64encode(b))",
    "hexadecimal of hexadecimal": "binascii.hexlify(binascii.hexlify(b))",
    "quote() of base64 of base64":
      "u.quote(base64.b64encode(base64.b64encode(b)),safe='')",
    hexadecimal: "binascii.hexlify(b)",
    "hexadecimal, capital": "binascii.hexlify(b).upper()",
    "hexadecimal with blanks": "b.hex(' ')",
    "hexadecimal with colons": "b.hex(':')",
    "hexadecimal with underscores": "b.hex('_')",
    "hexadecimal with dashes, capital": "b.hex('-').upper()",
    "hexadecimal in lines": "'\\n'.join('%02x'%c for c in b)",
    "an array of C":
      "'{\\n  '+',\\n  '.join(', '.join('0x%02X'%c for c in b[i:i+8]) for i in range(0,len(b),8))+'}'",
    "numbers such as \\x2f": "', '.join('\\\\x%02x'%c for c in b)",
    "texts of hexadecimal digits": "repr(['%02x'%c for c in b])",
    "list()": "repr(list(b))",
    "list() in lines": "json.dumps(list(b),indent=2)",
    "list() without blanks": "json.dumps(list(b),separators=(',',':'))",
    "decimal numbers": "' '.join(map(str,b))",
    "decimal numbers with underscores": "'_'.join(map(str,b))",
    "each byte as \\x": "''.join('\\\\x%02x'%c for c in b)",
    "each byte in octal": "''.join('\\\\%03o'%c for c in b)",
    "color codes": "''.join(c+'\\x1b[0m' for c in s)",
    "color codes in JSON": "json.dumps(s[:2]+'\x1b[1;31m'+s[2:])",
    "YAML with double quotes":
      "'\"'+json.dumps(s)[1:-1].replace('-','-\\\\\\n  ')+'\"'",
  },
};

const JQ: Tool = {
  program: "jq",
  args: (script) => ["-nj", script],
  script: (expressions) =>
    `env.S as $s | [${
      expressions.map((expression) => `($s|${expression})`).join(",")
    }] | join(${JSON.stringify(SEPARATOR)})`,
  expressions: {
    "@json": "@json",
    "@json of @json": "@json|@json",
    "@uri": "@uri",
    "@html": "@html",
    "@csv": "[.]|@csv",
    "@tsv": "[.]|@tsv",
    "@sh": "@sh",
    "@base64": "@base64",
    "ascii": "@json|ascii_downcase|.[0:0]",
  },
};

const PERL: Tool = {
  program: "perl",
  args: (
    script,
  ) => [
    "-MData::Dumper",
    "-MMIME::Base64",
    "-MMIME::QuotedPrint",
    "-MJSON::PP",
    "-e",
    script,
  ],
  script: (expressions) =>
    `$Data::Dumper::Terse=1;$s=$ENV{S};print join(${
      JSON.stringify(SEPARATOR)
    },${expressions.map((expression) => `do{${expression}}`).join(",")});`,
  expressions: {
    "Data::Dumper": "Dumper($s)",
    "Data::Dumper with Useqq": "local $Data::Dumper::Useqq=1;Dumper({k=>$s})",
    "quotemeta": "quotemeta($s)",
    "JSON::PP":
      "utf8::decode(my $u=$s);JSON::PP->new->ascii->allow_nonref->encode($u)",
    "encode_base64": "encode_base64('user:'.$s)",
    "encode_qp": "encode_qp($s)",
    "encode_qp behind text": "encode_qp('key: 'x 14 .$s)",
    "escaped by a pattern":
      "(my $t=$s)=~s/([^\\w])/sprintf('%%%02X',ord $1)/ge;$t",
    "in braces":
      "utf8::decode(my $t=$s);$t=~s/(\\W|[^ -~])/sprintf('\\\\x{%x}',ord $1)/ge;$t",
  },
};

function shell(
  program: string,
  locale: string,
  expressions: Record<string, string>,
): Tool {
  return {
    program,
    env: { LC_ALL: locale },
    args: (script) => ["-c", script],
    script: (all) => `exec 2>&1\n${all.join(`\nprintf '%s' '${SEPARATOR}'\n`)}`,
    expressions,
  };
}

const BASH = {
  "printf %q": `printf '%q' "$S"`,
  "@Q": 'printf %s "${S@Q}"',
  "@A": 'printf %s "${S@A}"',
  "declare -p": "declare -p S",
  "export -p": `env -i S="$S" "$BASH" -c 'export -p'`,
  "set -x": '(set -x; : "$S")',
  "set -x twice": `(set -x; : "$(set -x; : "$S")")`,
  "a function": `f() { echo "$S"; }; (set -x; f)`,
};

const ZSH = {
  "(q)": "printf %s ${(q)S}",
  "(qq)": "printf %s ${(qq)S}",
  "(qqq)": "printf %s ${(qqq)S}",
  "(qqqq)": "printf %s ${(qqqq)S}",
  "(q+)": "printf %s ${(q+)S}",
  "typeset -p": "typeset -p S",
  "set -x": '(set -x; : "$S")',
};

const FISH = {
  "string escape": `printf %s (string escape -- "$S" | string join \\n)`,
  "string escape for URLs": `printf %s (string escape --style=url -- "$S")`,
  "set --show": "set --show S",
};

const FILTERS = {
  "printf %q of coreutils": `env printf '%q' "$S"`,
  "base64": `printf %s "$S" | base64`,
  "base64 of a line": `printf 'user:%s\\n' "$S" | base64`,
  ...Object.fromEntries(
    [1, 5, 10, 19, 33, 64].map((width) => [
      `base64 -w${width}`,
      `printf 'x:%s' "$S" | base64 -w${width}`,
    ]),
  ),
  ...Object.fromEntries(
    [5, 11, 33].map((width) => [
      `fold -w${width}`,
      `printf '%s' "$S" | fold -w${width}`,
    ]),
  ),
  "fold -sw10": `printf 'key: %s' "$S" | fold -sw10`,
  "fold in an indented block":
    `printf 'ab: %s' "$S" | fold -w20 | sed 's/^/    /'`,
  "fold with carriage returns": `printf '%s' "$S" | fold -w20 | tr '\\n' '\\r'`,
  "base64 in an indented block":
    `printf 'ab: %s' "$S" | base64 -w20 | sed 's/^/    /'`,
  "base64 with CRLF": `printf 'ab: %s' "$S" | base64 -w20 | sed 's/$/\\r/'`,
  "base64 in lines with # ":
    `printf 'ab: %s' "$S" | base64 -w20 | sed 's/^/# /'`,
  "base64 as git shows a remote's":
    `printf 'x: %s' "$S" | base64 -w16 | sed 's/^/remote: /'`,
  "openssl base64 with times":
    `printf 'user: %s' "$S" | openssl base64 | sed 's/^/2026-11-28T20:44:10.123Z /'`,
  "base64 in a diff":
    `printf 'a: %s' "$S" | base64 -w24 | diff -u /dev/null - | tail -n +4`,
  "xxd -p in a block of a step":
    `printf %s "$S" | xxd -p -c 10 | sed 's/^/[build] /'`,
  "base32": `printf %s "$S" | base32`,
  "base32 -w7": `printf 'x: %s' "$S" | base32 -w7`,
  "base64 | base64": `printf 'x: %s' "$S" | base64 -w0 | base64`,
  "base64 | base64 -w0": `printf 'x: %s' "$S" | base64 | base64 -w0`,
  "openssl base64 | xxd -p": `printf %s "$S" | openssl base64 | xxd -p`,
  "xxd -p | base64 -w20": `printf %s "$S" | xxd -p | base64 -w20`,
  "openssl base64": `printf 'user:%s' "$S" | openssl base64`,
  "xxd -p": `printf %s "$S" | xxd -p`,
  "xxd -p -u -c 7": `printf %s "$S" | xxd -p -u -c 7`,
  "od -tx1": `printf %s "$S" | od -An -v -tx1`,
  "od -tu1": `printf %s "$S" | od -An -v -tu1`,
  "od -to1": `printf %s "$S" | od -An -v -to1`,
  "xxd -i": `printf %s "$S" | xxd -i`,
  "xxd -i -u -c 5": `printf %s "$S" | xxd -i -u -c 5`,
  "xxd -p with colons": `printf %s "$S" | xxd -p -c0 | sed 's/../&:/g'`,
  "od without blanks": `printf %s "$S" | od -An -v -tx1 | tr -d ' \\n'`,
  "sed -n l": `printf '%s\\n' "$S" | LC_ALL=C sed -n l`,
};

/** Ways to print bytes in JavaScript. */
const DENO: Record<string, (bytes: Uint8Array) => string> = {
  "a Uint8Array": (bytes) => Deno.inspect(bytes, { iterableLimit: 1000 }),
  "JSON of a Buffer": (bytes) => JSON.stringify(Buffer.from(bytes)),
  "JSON of a Buffer in lines": (bytes) =>
    JSON.stringify(Buffer.from(bytes), null, 4),
  "join()": (bytes) => bytes.join(),
};

const TOOLS: [name: string, tool: Tool][] = [
  ["Python", PYTHON],
  ["jq", JQ],
  ["Perl", PERL],
  ["bash", shell("bash", "C.UTF-8", BASH)],
  ["bash in the C locale", shell("bash", "C", BASH)],
  ["zsh", shell("zsh", "C.UTF-8", ZSH)],
  ["zsh in the C locale", shell("zsh", "C", ZSH)],
  ["fish", {
    ...shell("fish", "C.UTF-8", FISH),
    script: (all) =>
      all.join(`\nprintf '${JSON.stringify(SEPARATOR).slice(1, -1)}'\n`),
  }],
  ...halvesOf(FILTERS).map((filters, half): [string, Tool] => [
    `filters ${half + 1}`,
    { ...shell("sh", "C.UTF-8", filters), half },
  ]),
];

/** A filter needs several processes, so each is used for half of the secrets. */
function halvesOf(filters: Record<string, string>): Record<string, string>[] {
  return [0, 1].map((half) =>
    Object.fromEntries(
      Object.entries(filters).filter((_, at) => at % 2 === half),
    )
  );
}

async function outputs(tool: Tool, secret: string): Promise<string[]> {
  const script = tool.script(Object.values(tool.expressions));
  const { stdout, stderr, success } = await new Deno.Command(tool.program, {
    args: tool.args(script),
    env: { ...tool.env, S: secret },
  }).output();
  const text = textOf(stdout);
  assert(success, new TextDecoder().decode(stderr));
  return text.split(SEPARATOR);
}

/** Whether a secret is too short without its quotes, or a line break may split text in it that looks like an escape, which changes other escapes. */
function isAmbiguous(name: string, secret: string): boolean {
  return name.startsWith("fold") && /\$'|\\u/.test(secret);
}

/** Finds the letters and digits of a secret that can be read in a text. */
function leakIn(masked: string, secret: string): string | undefined {
  const words = secret.match(/[A-Za-z0-9]{5,}/g) ?? [];
  return words.find((word) => masked.includes(word));
}

function textOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

function maskBytes(masker: Masker, text: string): string {
  const { output } = masker.stream().mask(bytesOf(text), true);
  return textOf(output);
}

const maskers = SECRETS.map((secret) => {
  const masker = new Masker();
  masker.add(secret);
  return masker;
});

/** Asserts that hardly anything of an encoded secret remains. */
function assertMasked(name: string, text: string, at: number): void {
  const secret = SECRETS[at];
  if (text === "" || isAmbiguous(name, secret)) return;
  const masked = maskBytes(maskers[at], text);
  const what = `${name}: ${JSON.stringify([text, masked])}`;
  assertStringIncludes(masked, "[REDACTED]", what);
  assert(leakIn(masked, secret) === undefined, what);
  const rest = masked.replaceAll("[REDACTED]", "").replace(/\s/g, "");
  assert(rest.length <= 120, what);
}

for (const [name, tool] of TOOLS) {
  Deno.test({
    name: `Masker masks what ${name} makes of a secret`,
    ignore: isProgramMissing(tool.program),
    async fn() {
      const names = Object.keys(tool.expressions);
      await Promise.all(SECRETS.map(async (secret, at) => {
        if (tool.half !== undefined && at % 2 !== tool.half) return;
        const texts = await outputs(tool, secret);
        assert(texts.length === names.length, `${name}: ${texts.length}`);
        texts.forEach((text, index) => assertMasked(names[index], text, at));
      }));
    },
  });
}

Deno.test("Masker masks a secret as Deno prints it", () => {
  SECRETS.forEach((secret, at) => {
    const bytes = new TextEncoder().encode(secret);
    for (const [name, show] of Object.entries(DENO)) {
      assertMasked(name, show(bytes), at);
    }
  });
});
