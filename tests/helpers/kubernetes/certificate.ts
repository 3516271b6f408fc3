/** A certificate for 127.0.0.1, and the authority that has signed it. */
export interface Certificate {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

const SCRIPT = `set -e
new() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "$@" 2>/dev/null; }
new -x509 -days 2 -subj /CN=test-ca -keyout ca.key -out ca.crt
new -subj /CN=127.0.0.1 -keyout server.key -out server.csr
printf 'subjectAltName=IP:127.0.0.1\\nbasicConstraints=CA:FALSE\\n' > ext
openssl x509 -req -days 2 -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile ext -out server.crt 2>/dev/null
`;

/** Creates a certificate authority, and a certificate. */
export async function createCertificate(
  directory: string,
): Promise<Certificate> {
  const { success } = await new Deno.Command("sh", {
    args: ["-c", SCRIPT],
    cwd: directory,
  }).output();
  if (!success) throw new Error("openssl cannot create a certificate");
  const [ca, cert, key] = await Promise.all(
    ["ca.crt", "server.crt", "server.key"]
      .map((name) => Deno.readTextFile(`${directory}/${name}`)),
  );
  return { ca, cert, key };
}
