import { assertEquals } from "@std/assert";
import { testRegistration } from "../../helpers/registration.ts";

/**
 * Secrets that each program registers, with only the standard library of its
 * language.
 */
const VALUES = ["first secret", "zwei\nZeilen", 'dr"ei €'];

const REPLY = '{"status": "ok", "registered": 3}\n';

const PYTHON = `
import json, os, socket, struct, sys
client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
client.settimeout(5.0)
client.connect(os.environ["REACTORCIDE_SECRETS_SOCKET"])
body = json.dumps({"action": "register", "secrets": json.loads(sys.argv[1])}).encode()
client.sendall(struct.pack(">I", len(body)) + body)
reply = client.recv(4096)
assert json.loads(reply)["status"] == "ok"
assert client.recv(4096) == b""
sys.stdout.buffer.write(reply)
`;

const PERL = `
use strict; use IO::Socket::UNIX;
my $client = IO::Socket::UNIX->new(Peer => $ENV{REACTORCIDE_SECRETS_SOCKET}) or die $!;
my $body = qq({"action": "register", "secrets": $ARGV[0]});
print $client pack("N", length $body) . $body;
$client->flush;
local $/;
print scalar <$client>;
`;

for (
  const [language, program, option, code] of [
    ["Python", "python3", "-c", PYTHON],
    ["Perl", "perl", "-e", PERL],
  ]
) {
  const isMissing = !await runs(program);
  const why = isMissing ? ` (skipped: there is no ${program})` : "";
  Deno.test({
    name: `openRegistration() serves a client in ${language}${why}`,
    ignore: isMissing,
    async fn() {
      await using registration = await testRegistration();
      const { code: status, stdout, stderr } = await new Deno.Command(program, {
        args: [option, code, JSON.stringify(VALUES)],
        env: { REACTORCIDE_SECRETS_SOCKET: registration.path },
      }).output();
      const decoder = new TextDecoder();
      assertEquals(
        [status, decoder.decode(stdout), decoder.decode(stderr)],
        [0, REPLY, ""],
      );
      assertEquals(registration.values, VALUES);
    },
  });
}

async function runs(program: string): Promise<boolean> {
  try {
    const { success } = await new Deno.Command(program, {
      args: ["--version"],
      stdout: "null",
      stderr: "null",
    }).output();
    return success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
