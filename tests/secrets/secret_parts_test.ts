import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Masker } from "../../src/secrets/masker.ts";

const KEY = `-----BEGIN PRIVATE KEY-----
MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj
MzEfYyjiWA4R4/M2bS1GB4t7NXp98C3SC6dVMvDuictGeurT8jNbvJZHtCSuYEvu
-----END PRIVATE KEY-----
`;

/** Secrets that are documents, with the parts of them that are secret and those that are not. */
const DOCUMENTS: Record<string, [string, secret: string[], plain: string[]]> = {
  "the key of a service account": [
    JSON.stringify(
      {
        type: "service_account",
        project_id: "my-project-123456",
        private_key: KEY,
        client_email: "me@my-project-123456.iam.example.com",
        token_uri: "https://oauth2.example.com/token",
        nested: [{ dbPassword: "hunter2-xyz" }],
      },
      null,
      2,
    ),
    [KEY, KEY.split("\n")[2], "hunter2-xyz"],
    [
      "service_account",
      "my-project-123456",
      "me@my-project-123456.iam.example.com",
      "https://oauth2.example.com/token",
    ],
  ],
  "credentials of a client": [
    '{"clientId":"11111111-2222-3333-4444-555555555555","clientSecret":"abc8Q~defGHIjkl.mnoPQR"}',
    ["abc8Q~defGHIjkl.mnoPQR"],
    ["11111111-2222-3333-4444-555555555555"],
  ],
  "settings of a registry": [
    `{"auths":{"https://registry.example.com":{"auth":"${
      btoa("me:s3cr3t-pa:ss")
    }"}}}`,
    [btoa("me:s3cr3t-pa:ss"), "s3cr3t-pa:ss"],
    ["registry.example.com"],
  ],
  "an environment file": [
    `# of the test system\nDB_HOST=db.internal\nexport DB_PASSWORD='p@ss w0rd'\nAPI_KEY="abc\\"def\\n1234"\nLOG_LEVEL=verbose-logging\n`,
    ["p@ss w0rd", `abc"def\n1234`, `abc\\"def\\n1234`],
    ["db.internal", "verbose-logging", "LOG_LEVEL"],
  ],
  "settings in YAML": [
    "apiVersion: v1\nusers:\n- name: somebody\n  user:\n    token: abcd-efgh-1234\n",
    ["abcd-efgh-1234"],
    ["apiVersion", "somebody"],
  ],
  "an address of a database": [
    "postgres://application:p4ss%2Fw0rd@db.example.com:5432/app?sslmode=require",
    ["p4ss%2Fw0rd", "p4ss/w0rd"],
    ["db.example.com", "require", "application"],
  ],
  "a password that is not encoded": [
    "postgres://app:p4/ss?w0@rd@db.example.com/app",
    ["p4/ss?w0@rd"],
    ["db.example.com"],
  ],
  "a signed address": [
    "https://account.example.com/c/f?sv=2022-11-02&sig=abc%2Fdef%3D1234&se=2024",
    ["abc%2Fdef%3D1234", "abc/def=1234"],
    ["2022-11-02", "account.example.com"],
  ],
  "a connection string": [
    "Server=tcp:db.example.com,1433;User ID=somebody;Password=S3cr3t!pass;Encrypt=True",
    ["S3cr3t!pass"],
    ["somebody", "db.example.com", "Encrypt"],
  ],
  "the name of a data source": [
    "somebody:p@ss/w0rd@tcp(db.example.com:3306)/app",
    ["p@ss/w0rd"],
    ["somebody", "db.example.com"],
  ],
  "options of a connection": [
    "host=db.example.com user=somebody password=s3cr3tpw dbname=application",
    ["s3cr3tpw"],
    ["somebody", "application"],
  ],
  "a file .netrc": [
    "machine example.com login somebody password abcdef0123-4567",
    ["abcdef0123-4567"],
    ["somebody", "example.com"],
  ],
  "settings of a package manager": [
    "//npm.example.com/:_authToken=npm_aB3dE5fG7hI9jK1lM3nO5pQ7\nalways-auth=true",
    ["npm_aB3dE5fG7hI9jK1lM3nO5pQ7"],
    ["always-auth"],
  ],
  "a quoted password of a connection string": [
    `Server=db.example.com;Password='p;a "b" c';User ID=somebody`,
    ['p;a "b" c'],
    ["somebody", "db.example.com"],
  ],
  "JSON with comments": [
    '{\n  // of the test system\n  "dbPassword": "hunter2-xyz",\n  "user": "somebody",\n}',
    ["hunter2-xyz"],
    ["somebody", "of the test system"],
  ],
  "lines of JSON": [
    '{"user":"somebody"}\n{"password":"hunter2-\\u0078yz"}\n',
    ["hunter2-xyz"],
    ["somebody"],
  ],
  "XML and source code": [
    `<add name="somebody" password="hunter2-xyz"/> define('API_TOKEN', 'abcd-efgh-1234');`,
    ["hunter2-xyz", "abcd-efgh-1234"],
    ["somebody", "define"],
  ],
  "settings with a comment after a value": [
    "user = somebody ; of tests\npassword = hunter2-xyz ; since May\n",
    ["hunter2-xyz"],
    ["somebody", "since May"],
  ],
  "a header": [
    "Authorization: Bearer hunter2-xyz",
    ["hunter2-xyz"],
    ["Authorization", "Bearer"],
  ],
  "fields of a form": [
    "user=somebody&password=hunter2%2Fxyz&grant_type=password",
    ["hunter2%2Fxyz", "hunter2/xyz"],
    ["somebody", "grant_type"],
  ],
  "a private key in one line": [
    KEY.replaceAll("\n", "\\n"),
    [KEY, KEY.split("\n")[2]],
    ["PRIVATE", "MIIE"],
  ],
  "a document in base64": [
    btoa('{"user":"somebody","password":"hunter2-xyz"}'),
    ["hunter2-xyz", '{"user":"somebody","password":"hunter2-xyz"}'],
    ["somebody"],
  ],
  "a value of Kubernetes in base64": [
    `data:\n  user: ${btoa("somebody")}\n  password: ${btoa("hunter2-xyz")}\n`,
    ["hunter2-xyz", btoa("hunter2-xyz")],
    ["somebody", "data"],
  ],
  "a list of tokens": [
    '["wJalrXUtnFEMI7K7MDENGbPx", "some words that are plain"]',
    ["wJalrXUtnFEMI7K7MDENGbPx"],
    ["some words"],
  ],
};

describe("Masker masks the secrets in", () => {
  for (const [name, [secret, parts, plain]] of Object.entries(DOCUMENTS)) {
    it(name, () => {
      const masker = new Masker();
      masker.add(secret);
      for (const part of [secret, ...parts]) {
        assertEquals(masker.maskText(`<${part}>`), "<[REDACTED]>");
        const json = JSON.stringify({ part });
        const asJson = masker.maskText(json).replace("\\n", "");
        assertEquals(asJson, '{"part":"[REDACTED]"}');
      }
      for (const part of plain) {
        assertEquals(masker.maskText(`<${part}>`), `<${part}>`);
      }
    });
  }

  it("nothing but the value if it is not a document", () => {
    const masker = new Masker();
    masker.add("correct horse battery staple: the password");
    assertEquals(masker.maskText("the password"), "the password");
  });
});

Deno.test("Masker does not mask whitespace, and reports it", () => {
  for (const blanks of ["    ", "\t\t\t\t", "\n\n\n\n\n", ` "    " `]) {
    const masker = new Masker();
    assertEquals(masker.add(blanks), blanks.includes('"'));
    const text = `x        y\n\t\t\t\t\tindented\n\n\n\n\n\n`;
    assertEquals(masker.maskText(text), text);
  }
});
