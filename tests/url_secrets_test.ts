import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  secretsInText,
  secretsInUrl,
  showUrl,
  showUrlsIn,
} from "../src/url_secrets.ts";

describe("showUrl()", () => {
  it("hides user info", () => {
    const urls = {
      "https://me:secret@host/path": "https://***@host/path",
      "https://token@host/path": "https://***@host/path",
      "https://me:sec@ret@host": "https://***@host",
      "ssh://git@host:22/path": "ssh://***@host:22/path",
      "https://me:sec\nret@host/path": "https://***@host/path",
      "https://me:sec/ret@host/path": "https://***@host/path",
      "https://me:sec?ret@host/path": "https://***@host/path",
      "me:secret@host/path": "***@host/path",
    };
    for (const [url, shown] of Object.entries(urls)) {
      assertEquals(showUrl(url), shown);
    }
  });

  it("leaves other locations as they are", () => {
    const urls = [
      "https://host/path",
      "https://host:8080/@scope/name@v1",
      "git@host:path/to.git",
      "host:path",
      "file:///path/me@home",
      "file:///me@home/path",
      "/path/to:me@home",
      "./relative",
      "//h/share/me",
      "git:path",
      "https:443",
      "",
    ];
    for (const url of urls) assertEquals(showUrl(url), url);
  });
});

/** URLs with a secret, and how they are shown. */
const HOLDING = (secret: string): Record<string, string> => ({
  [`https://u:a/${secret}@h/r`]: "https://***@h/r",
  [`https://u:12/${secret}@h/r`]: "https://***@h/r",
  [`https://domain/u:${secret}@h/r`]: "https://***@h/r",
  [`https://u:12#${secret}@127.0.0.1:4/r`]: "https://***@127.0.0.1:4/r",
  [`https://u:12?${secret}@h:4/r`]: "https://***@h:4/r",
  [`https://u:a@b/${secret}@h/r`]: "https://***@h/r",
  [`https://u:a@${secret}@h/r`]: "https://***@h/r",
  [`https://u:${secret}@ho st/`]: "https://***@ho st/",
  [`https://u:${secret}`]: "https://u:***",
  [`https://${secret}:x-oauth-basic@h/r`]: "https://***@h/r",
  [`https://h/r?X-Amz-Date=2&X-Amz-Signature=${secret}`]: "https://h/r?***",
  [`https://h/r?ref=main&private_token=${secret}`]: "https://h/r?ref=main&***",
  [`https://h/r?sv=2020&sig=${secret}%2B&sp=r`]: "https://h/r?***",
  [`https://h/r?X-Goog-Signature=${secret}`]: "https://h/r?***",
  [`https://h/r?code=${secret}&state=1`]: "https://h/r?***",
  [`https://h/r?key=${secret}`]: "https://h/r?***",
  [`https://h/r#access_token=${secret}`]: "https://h/r#***",
  [`https://h/r;jsessionid=${secret}`]: "https://h/r;***",
  [`https://h/bot12:${secret}/x`]: "https://h/***/x",
  [`jdbc:postgresql://h:5432/d?user=u&password=${secret}`]:
    "jdbc:postgresql://h:5432/d?***",
  [`jdbc:sqlserver://h:1433;user=sa;password=${secret}`]:
    "jdbc:sqlserver://h:1433;***",
  [`jdbc:oracle:thin:scott/${secret}@//h:1521/s`]:
    "jdbc:oracle:thin:***@//h:1521/s",
  [`postgres://u:${secret}@h:5432/d`]: "postgres://***@h:5432/d",
  [`redis://:${secret}@h:6379/0`]: "redis://***@h:6379/0",
  [`amqps://u:${secret}@h/v`]: "amqps://***@h/v",
  [`mongodb+srv://u:${secret}@h1:27017,h2:27017/d`]:
    "mongodb+srv://***@h1:27017,h2:27017/d",
  [`ssh://u:${secret}@h:22/r`]: "ssh://***@h:22/r",
  // Typing mistakes.
  [` https://u:${secret}@h/r`]: " https://***@h/r",
  [`https:/u:${secret}@h/r`]: "https:/***@h/r",
  [`https:///u:${secret}@h/r`]: "https:///***@h/r",
  [`https:u:${secret}@h/r`]: "https:***@h/r",
  [`//u:${secret}@h/r`]: "//***@h/r",
  [`hg::https://u:${secret}@h/r`]: "hg::https://***@h/r",
});

/** URLs with nothing to hide. */
const PLAIN = [
  "https://h",
  "https://h:8443/a/b.tar.gz?ref=v1.2#sha256-ab+/=",
  "https://h/a/0123456789abcdef0123456789abcdef01234567",
  "http://[::1]:80/x",
  "mongodb://h1:27017,h2:27017/d",
  "https://h/x?",
  "https://h/x#",
  "npm:@scope/name@1.2.3",
  "jsr:name@1.2.3",
  "image:1.2@sha256:0123",
  "https://h/group/image:1.2@sha256:0123",
  "https://h/npm:react@18/jsx",
  "https://h/jsr:@scope/name@1/x:y",
  "https://h/tree/2026-11-30T10:20/x",
];

describe("a secret of a URL", () => {
  const secret = "hunter2-pa55word";

  it("is neither shown, alone or in a text, nor printed unmasked", () => {
    for (const [url, shown] of Object.entries(HOLDING(secret))) {
      assertEquals(showUrl(url), shown);
      assertEquals(showUrl(shown), shown, "shown twice");
      assertEquals(
        showUrlsIn(`Cannot read "${url}": no route`).includes(secret),
        false,
        url,
      );
      if (url.endsWith(secret)) continue;
      const found = secretsInUrl(url).some((value) => value.includes(secret));
      assertEquals(found, true, url);
    }
  });

  it("is found in the value of a variable", () => {
    for (
      const text of [
        `https://u:${secret}@h/r`,
        `--index-url https://u:${secret}@h/r --quiet`,
        `npm:x@1.0.0?token=${secret}#sha512-ab`,
        `see h.example.com/a.tgz?x=1&sig=${secret}&y`,
        `Endpoint=sb://h/;SharedAccessKey=${secret}`,
        `DefaultEndpointsProtocol=https;AccountKey=${secret};EndpointSuffix=x`,
        `{"url":"redis://:${secret}@h:6379"}`,
      ]
    ) {
      const [found] = secretsInText(text);
      assertEquals(found, secret, text);
      assertEquals(showUrlsIn(text).includes(secret), false, text);
    }
  });

  it("may be a token in the place of a user or in the path", () => {
    const token = "ghp_0123456789abcdefABCDEF0123456789abcd";
    const mixed = "Xyz0123456789abcdefABCDEF";
    for (
      const url of [
        `https://${token}@h/r`,
        `https://${token}:x@h/r`,
        `ssh://${token}@h/r`,
        `${token}@h:r`,
        `https://h/services/T0/${mixed}`,
        `https://h/r#${mixed}`,
      ]
    ) {
      const shown = showUrl(url);
      assertEquals([shown.includes(token), shown.includes(mixed)], [
        false,
        false,
      ]);
      const [longest] = secretsInUrl(url);
      assertEquals([token, mixed].includes(longest), true, url);
    }
  });

  it("is not a word that occurs in every log", () => {
    for (
      const url of [
        "postgres://postgres:postgres@h/d",
        "https://h/r?X-Amz-Expires=3600&sort_key=name&author=somebody",
        "https://h/r?token=true&verbose=1",
        "https://u:$PASSWORD@h/r?token=${TOKEN}&sig=<signature>",
        ...PLAIN,
      ]
    ) assertEquals(secretsInUrl(url), [], url);
  });
});

describe("secretsInText()", () => {
  it("finds secrets in texts that look least like a URL", () => {
    const texts = [
      "https:me:s3cr3t-pass@host",
      "see //me:s3cr3t-pass@host/path",
      "jdbc:oracle:thin:me/s3cr3t-pass@host:1521:db",
      "Password=s3cr3t-pass",
      "callback?token=s3cr3t-pass",
      "me:s3cr3t-pass@tcp(db.example.com:3306)/app?parseTime=true",
    ];
    for (const text of texts) {
      assertEquals(secretsInText(text), ["s3cr3t-pass"], text);
    }
  });

  it("finds quoted passwords of connection strings", () => {
    for (const [quote, password] of [["'", 'two; "words"'], ['"', "it's 1"]]) {
      const text = `Server=h;Password=${quote}${password}${quote};User Id=u`;
      assertEquals(secretsInText(text), [password]);
      assertEquals(showUrlsIn(text), "Server=h;Password=***;User Id=u");
    }
  });

  it("finds passwords with quotes, brackets and spaces in a whole URL", () => {
    for (
      const password of [
        ...["two words", "it's-1", 'say"no"1', "a<b>c-12", "tick`s-12"],
        ...["a\tb-1234", "1234 #5 /6"],
      ]
    ) {
      for (const before of ["", "prometheus=", "DATABASE_URL="]) {
        const text = `${before}https://me:${password}@host:1/path`;
        assertEquals(secretsInText(text)[0], password, text);
      }
    }
  });

  it("finds nothing in what variables usually hold", () => {
    for (
      const text of [
        "rs=0:di=01;34:ln=01;36:*.tar=01;31",
        "-Xmx1g;path=/usr/share/a/very/long/path/to/nowhere",
        "a=b&&cmd --output=/usr/share/a/very/long/path/to/nowhere",
        "unix:path=/run/user/1000/bus,guid=0123456789abcdef0123456789abcdef",
        "/usr/local/bin:/usr/bin:/bin",
        "https://example.com/group/project/-/jobs/123?page=2",
        "postgres://postgres:postgres@localhost:5432/test",
        "user@example.com",
        "git@host:group/project.git",
        "https://example.com/docs or mail to me@example.com",
        "http://a:1/x http://b:2/y me@example.com",
      ]
    ) assertEquals(secretsInText(text), [], text);
  });
});

describe("showUrlsIn()", () => {
  it("does not change URLs without secrets", () => {
    for (const url of PLAIN) {
      assertEquals(showUrl(url), url);
      const text = `Cannot get ${url}, "${url}" (${url}).`;
      assertEquals(showUrlsIn(text), text);
    }
  });

  it("keeps the words after a URL", () => {
    assertEquals(
      showUrlsIn("see https://h/r?x=1: it ended, (https://u:pass@h)."),
      "see https://h/r?***: it ended, (https://***@h).",
    );
  });

  it("hides the user info in every form that tools print", () => {
    const url = "https://me:p%40ssword@host/x";
    const texts = [
      "unable to access 'https://me:p%40ssword@host/x/': 404",
      "me:p%40ssword@host: Permission denied",
      "me:p@ssword@host: Permission denied",
      "wrong password: p@ssword",
      "Port number was not a number: 'p%40ssword'",
    ];
    for (const text of texts) {
      const shown = showUrlsIn(text, url);
      assert(shown.includes("***"), shown);
      assert(!/p(?:@|%40)ssword/.test(shown), shown);
    }
  });

  it("hides everything that is hidden of the URL itself", () => {
    const hidden = "letmein-twice";
    for (
      const [url, text] of [
        [`https://host/x?${hidden}`, `unsupported component: "${hidden}"`],
        [`https://host/x?${hidden}`, `at 'https://host/x%3F${hidden}'`],
        [`https://host/x?a=1&b=${hidden}`, `unknown parameter ${hidden}`],
        [`https://host/x#${hidden}`, `no anchor ${hidden}`],
        [`https://host/x?b=letmein%2Dtwice`, `no ${hidden} here`],
        [`https://me:${hidden}%40host/x`, `nonnumeric port: '${hidden}@host'`],
        [`https://me:${hidden}`, `nonnumeric port: '${hidden}'`],
      ]
    ) {
      const shown = showUrlsIn(text, url);
      assertEquals(shown.includes(hidden), false, shown);
    }
    assertEquals(
      showUrlsIn("no branch main, depth 1", "https://h/x?depth=1&branch=main"),
      "no branch main, depth 1",
    );
    assertEquals(
      showUrlsIn("no page html over https", "https://h/x?type=html&s=https"),
      "no page html over https",
    );
  });

  it("hides the user info of other URLs", () => {
    assertEquals(
      showUrlsIn(
        "redirected to http://a:bcde@other/ and 'x:yz@third'",
        "https://h",
      ),
      "redirected to http://***@other/ and '***@third'",
    );
  });

  it("does not change a text without secrets", () => {
    const text = "git@host: Permission denied (publickey). at 12:30 a/b@c";
    assertEquals(showUrlsIn(text, "git@host:path"), text);
  });
});
