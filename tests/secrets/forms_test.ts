import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { formsOf } from "../../src/secrets/forms.ts";
import { Masker } from "../../src/secrets/masker.ts";
import { Random } from "../helpers/random.ts";
import { shellOutput } from "../helpers/shell_output.ts";

const SECRETS = [
  "correct-horse-battery",
  `p@ss 'w"o\\rd'/+<&>$HOME\`x\`!`,
  "übergrößenträger-日本語-🔑",
  "tabs\tand\rreturns",
];

/** Asserts that nothing of a text but its surroundings survives masking. */
function assertMasked(secret: string, text: string, message: string): void {
  const masker = new Masker();
  masker.add(secret);
  const masked = masker.maskText(text);
  assertStringIncludes(masked, "[REDACTED]", `${message}: ${text}`);
  const rest = masked.replaceAll("[REDACTED]", "");
  assert(rest.length <= 12, `${message}: ${masked}`);
}

describe("formsOf() covers what real tools make of a secret:", () => {
  const tools: [name: string, script: string][] = [
    ["base64", `printf %s "$SECRET" | base64 -w0`],
    ["base64, one byte in front", `printf 'x%s' "$SECRET" | base64 -w0`],
    ["base64, two bytes in front", `printf 'xy%s' "$SECRET" | base64 -w0`],
    [
      "base64 with a line break at the end",
      `printf "%s\\n" "$SECRET" | base64 -w0`,
    ],
    ["hexadecimal", `printf %s "$SECRET" | od -An -v -tx1 | tr -d ' \\n'`],
    ["the trace of a shell", `set -x; : "$SECRET"`],
  ];
  for (const [name, script] of tools) {
    it(name, async () => {
      for (const secret of SECRETS.slice(0, name.startsWith("the") ? 2 : 4)) {
        const output = await shellOutput(`exec 2>&1; ${script}`, {
          SECRET: secret,
        });
        assertMasked(secret, output.replace(/^\+ : /, "").trim(), name);
      }
    });
  }

  it("base64 in lines", async () => {
    const random = new Random(3);
    const secret = random.text(300, "abcdefghijklmnopqrstuvwxyz0123456789");
    for (const width of [64, 76]) {
      const script = `printf %s "$SECRET" | base64 -w${width}`;
      assertMasked(
        secret,
        await shellOutput(script, { SECRET: secret }),
        `${width}`,
      );
    }
  });

  it("what the language itself encodes", () => {
    for (const secret of SECRETS) {
      const texts: Record<string, string> = {
        json: JSON.stringify(secret).slice(1, -1),
        uri: encodeURIComponent(secret),
        form: new URLSearchParams([["", secret]]).toString().slice(1),
        "small hex digits": encodeURIComponent(secret).replace(
          /%../g,
          (it) => it.toLowerCase(),
        ),
        "url alphabet": btoa(
          String.fromCharCode(...new TextEncoder().encode(secret)),
        )
          .replaceAll("+", "-").replaceAll("/", "_"),
        inspected: Deno.inspect([secret]).slice(3, -3),
      };
      for (const [name, text] of Object.entries(texts)) {
        assertMasked(secret, text, `${name} of ${secret}`);
      }
    }
  });

  it("XML and HTML", () => {
    assertMasked(`a<b&c>"d'e`, "a&lt;b&amp;c&gt;&quot;d&apos;e", "XML");
    assertMasked(`a<b&c>"d'e`, "a&lt;b&amp;c&gt;&#34;d&#39;e", "HTML");
  });

  it("JSON that is safe in HTML, in ASCII, and with escaped slashes", () => {
    assertMasked("</script>ü&", "\\u003c/script\\u003e\\u00fc\\u0026", "ASCII");
    assertMasked(
      "</script>ü&",
      "\\u003C/script\\u003E\\u00FC\\u0026",
      "capitals",
    );
    assertMasked("a/b/c/secret", "a\\/b\\/c\\/secret", "slashes");
  });

  it("base64 of UTF-16, as PowerShell encodes commands", () => {
    assertMasked("hunter2!", "aAB1AG4AdABlAHIAMgAhAA==", "UTF-16");
  });
});

describe("formsOf() takes a value apart:", () => {
  it("white space and quotes around it", () => {
    for (
      const value of [
        " hunter2!\n",
        `"hunter2!"`,
        `'hunter2!'`,
        ` "hunter2!"\n`,
      ]
    ) {
      assert(formsOf(value).has("hunter2!"), value);
    }
  });

  it("longer lines, but none that every such file has", () => {
    const key =
      "-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQ==\nshort\n{\n-----END KEY-----\n";
    const forms = formsOf(key);
    assert(forms.has("MIIEvQIBADANBg"));
    assert(forms.has("kqhkiG9w0BAQ=="));
    for (
      const line of ["-----BEGIN KEY-----", "short", "{", "-----END KEY-----"]
    ) {
      assertEquals(forms.has(line), false, line);
    }
  });

  it("line breaks that were changed", () => {
    const masker = new Masker();
    masker.add("first-line\nab\nlast-line");
    for (const breaks of ["\n", "\r\n", " ", "", "\\n"]) {
      const text = ["first-line", "ab", "last-line"].join(breaks);
      assertEquals(masker.maskText(`<${text}>`), "<[REDACTED]>", breaks);
    }
  });

  it("the password of a URL", () => {
    assert(formsOf("postgres://app:p4ss-w0rd@host/db").has("p4ss-w0rd"));
  });

  it("without ever giving an empty form", () => {
    for (
      const value of ["", " ", "\n", '""', "''", "\ud800", "a".repeat(100_000)]
    ) {
      assertEquals(formsOf(value).has(""), false);
    }
  });
});
