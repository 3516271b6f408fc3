// Runs in the process that searches lines; the class LineMatcher is prepended.
// It reads and writes lines of JSON, and reports progress at most every 100 ms.
const encoder = new TextEncoder();
let sentMs = 0;
function send(answer) {
  sentMs = performance.now();
  let bytes = encoder.encode(JSON.stringify(answer) + "\n");
  while (bytes.length > 0) bytes = bytes.subarray(Deno.stdout.writeSync(bytes));
}
let matchers;
let isCareful;
const outputs = new Map();
function onTry(matcher) {
  if (isCareful) send({ matcher });
  else if (performance.now() - sentMs > 100) send({});
}
function receive(message) {
  if (message.matchers) return void ({ matchers, isCareful } = message);
  const { output, lines } = message;
  if (!outputs.has(output)) {
    outputs.set(output, new LineMatcher(matchers, onTry));
  }
  for (const line of lines) {
    const problem = outputs.get(output).next(line);
    if (problem) send({ problem });
  }
  send({ isDone: true });
}
send({});
let rest = "";
const input = Deno.stdin.readable.pipeThrough(new TextDecoderStream());
for await (const text of input) {
  const parts = (rest + text).split("\n");
  rest = parts.pop();
  for (const part of parts) receive(JSON.parse(part));
}
