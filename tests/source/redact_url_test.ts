import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { redactText, redactUrl } from "../../src/source/redact_url.ts";

describe("redactUrl()", () => {
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
      assertEquals(redactUrl(url), shown);
    }
  });

  it("leaves other locations as they are", () => {
    const urls = [
      "https://host/path",
      "https://host:8080/@scope/name@v1",
      "git@host:path/to.git",
      "host:path",
      "file:///path/me@home",
      "/path/to:me@home",
      "./relative",
      "",
    ];
    for (const url of urls) assertEquals(redactUrl(url), url);
  });
});

describe("redactText()", () => {
  it("hides every shape in which tools repeat the user info", () => {
    const url = "https://me:p%40ssword@host/x";
    const texts = [
      "unable to access 'https://me:p%40ssword@host/x/': 404",
      "me:p%40ssword@host: Permission denied",
      "me:p@ssword@host: Permission denied",
      "wrong password: p@ssword",
      "Port number was not a number: 'p%40ssword'",
    ];
    for (const text of texts) {
      const shown = redactText(text, url);
      assert(shown.includes("***"), shown);
      assert(!/p(?:@|%40)ssword/.test(shown), shown);
    }
  });

  it("hides the user info of other URLs", () => {
    assertEquals(
      redactText(
        "redirected to http://a:bcde@other/ and 'x:yz@third'",
        "https://h",
      ),
      "redirected to http://***@other/ and '***@third'",
    );
  });

  it("leaves a text without secrets as it is", () => {
    const text = "git@host: Permission denied (publickey). at 12:30 a/b@c";
    assertEquals(redactText(text, "git@host:path"), text);
  });
});
