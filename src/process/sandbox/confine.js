/**
 * Restricts the process to some directories with Landlock, then becomes another
 * program. The kernel denies access even if a link is replaced between the
 * program's own permission check and the access.
 *
 * The code runs with all permissions and is passed as text. Its argument is
 * JSON: paths to read, paths to write, variables for the program only, and the
 * program. If the kernel does not support Landlock, it prints a message on
 * standard output and starts the program anyway.
 */
const { read, write, env, argv } = JSON.parse(Deno.args[0]);

const [CREATE_RULESET, ADD_RULE, RESTRICT_SELF] = [444, 445, 446];
const GET_VERSION = 1;
const PATH_BENEATH = 1;
const PR_SET_NO_NEW_PRIVS = 38;
const O_PATH_CLOEXEC = 0x280000;

/** Landlock access rights. */
const READ = 1n << 2n | 1n << 3n;
const WRITE_FILE = 1n << 1n;
const TRUNCATE = 1n << 14n;
const REFER = 1n << 13n;
/** Remove files and directories, and create files of any type. */
const CHANGE_DIRECTORY = 0b1_1111_1111n << 4n;
/** Access rights that apply to files. */
const OF_FILES = WRITE_FILE | TRUNCATE | 1n << 2n;

const SYMBOLS = {
  version: call("i64", "pointer", "usize", "u32"),
  createRuleset: call("i64", "buffer", "usize", "u32"),
  addRule: call("i64", "i32", "i32", "buffer", "u32"),
  restrictSelf: call("i64", "i32", "u32"),
  prctl: { parameters: ["i32", "u64", "u64", "u64", "u64"], result: "i32" },
  open: { parameters: ["buffer", "i32"], result: "i32" },
  setenv: { parameters: ["buffer", "buffer", "i32"], result: "i32" },
  execv: { parameters: ["buffer", "buffer"], result: "i32" },
};

function call(...parameters) {
  return { name: "syscall", parameters, result: "i64" };
}

function text(value) {
  return new TextEncoder().encode(`${value}\0`);
}

function confine(libc) {
  const version = Number(libc.version(CREATE_RULESET, null, 0, GET_VERSION));
  if (version < 1) throw new Error("the kernel does not support Landlock");
  const writing = WRITE_FILE | CHANGE_DIRECTORY |
    (version >= 2 ? REFER : 0n) | (version >= 3 ? TRUNCATE : 0n);
  const rights = new BigUint64Array([READ | writing]);
  const ruleset = Number(libc.createRuleset(CREATE_RULESET, rights, 8, 0));
  if (ruleset < 0) throw new Error("the kernel refuses a Landlock ruleset");
  for (const path of read) allow(libc, ruleset, path, READ);
  for (const path of write) allow(libc, ruleset, path, writing);
  const isConfined = libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) === 0 &&
    Number(libc.restrictSelf(RESTRICT_SELF, ruleset, 0)) === 0;
  if (!isConfined) throw new Error("the kernel refuses Landlock");
}

function allow(libc, ruleset, path, access) {
  let isDirectory;
  try {
    ({ isDirectory } = Deno.statSync(path));
  } catch {
    // A missing path needs no rule.
    return;
  }
  const rule = new DataView(new ArrayBuffer(12));
  const descriptor = libc.open(text(path), O_PATH_CLOEXEC);
  rule.setBigUint64(0, isDirectory ? access : access & OF_FILES, true);
  rule.setInt32(8, descriptor, true);
  const bytes = new Uint8Array(rule.buffer);
  libc.addRule(ADD_RULE, ruleset, PATH_BENEATH, bytes, 0);
}

function execute(libc) {
  for (const [name, value] of Object.entries(env)) {
    libc.setenv(text(name), text(value), 1);
  }
  const words = argv.map(text);
  const pointers = new BigUint64Array(words.length + 1);
  words.forEach((word, at) =>
    pointers[at] = Deno.UnsafePointer.value(Deno.UnsafePointer.of(word))
  );
  libc.execv(words[0], pointers);
}

let libc;
try {
  libc = Deno.dlopen("libc.so.6", SYMBOLS).symbols;
  confine(libc);
} catch ({ message }) {
  console.log(JSON.stringify({ type: "unconfined", message }));
}
if (libc !== undefined) execute(libc);
// Without this library, the program runs as a child process.
const { code } = new Deno.Command(argv[0], {
  args: argv.slice(1),
  env,
  stdin: "inherit",
  stdout: "inherit",
  stderr: "inherit",
}).outputSync();
Deno.exit(code);
