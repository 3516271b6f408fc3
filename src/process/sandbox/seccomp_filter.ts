/**
 * Program for the kernel's seccomp filter, in the classic BPF of
 * `linux/filter.h`. It covers system calls that no other part of the sandbox
 * controls.
 *
 * @module
 */

/** Architectures whose system call numbers are known. */
export type Architecture = "x86_64" | "aarch64";

/** Options for {@linkcode seccompFilter}. */
export interface SeccompFilterOptions {
  /** Processor for which the filter is built. */
  readonly architecture: Architecture;
  /** Whether sockets of all families are refused. Socket pairs are allowed. */
  readonly refusesSockets: boolean;
  /**
   * Whether raw sockets are refused, with which root reads the packets of all
   * processes.
   *
   * @default {false}
   */
  readonly refusesRawSockets?: boolean;
  /**
   * Whether memory, semaphores and queues of other processes are refused.
   *
   * @default {false}
   */
  readonly refusesMemory?: boolean;
  /**
   * Whether `truncate` is refused. Landlock controls it from version 3.
   *
   * @default {false}
   */
  readonly refusesTruncate?: boolean;
  /**
   * Whether access to limits and priorities of other processes is refused. That
   * includes reading limits, because the tag of a process is such a limit.
   *
   * @default {false}
   */
  readonly refusesOtherProcesses?: boolean;
}

/** Value of `seccomp_data.arch`, from `linux/audit.h`. */
const AUDIT_ARCH = { x86_64: 0xc000003e, aarch64: 0xc00000b7 };

/** Numbers of system calls on x86_64 and aarch64. */
const CALLS = {
  socket: [41, 198],
  truncate: [76, 45],
  shmget: [29, 194],
  shmat: [30, 196],
  shmctl: [31, 195],
  semget: [64, 190],
  semop: [65, 193],
  semctl: [66, 191],
  semtimedop: [220, 192],
  msgget: [68, 186],
  msgsnd: [69, 189],
  msgrcv: [70, 188],
  msgctl: [71, 187],
  mqOpen: [240, 180],
  mqUnlink: [241, 181],
  // The kernel performs its operations without asking seccomp.
  ioUringSetup: [425, 425],
  ioUringEnter: [426, 426],
  ioUringRegister: [427, 427],
  // Keyrings are shared with other processes of the user.
  addKey: [248, 217],
  requestKey: [249, 218],
  keyctl: [250, 219],
  // It opens files by handle, bypassing restrictions on paths.
  openByHandleAt: [304, 265],
  // The kernel log is about the whole machine.
  syslog: [103, 116],
  prlimit64: [302, 261],
  setpriority: [141, 140],
  ioprioSet: [251, 30],
  // These expose much of the kernel, and no build needs them.
  bpf: [321, 280],
  userfaultfd: [323, 282],
  perfEventOpen: [298, 241],
} as const;

type Call = keyof typeof CALLS;

const ALWAYS_REFUSED: readonly Call[] = [
  ...["ioUringSetup", "ioUringEnter", "ioUringRegister"] as const,
  ...["addKey", "requestKey", "keyctl", "openByHandleAt"] as const,
  ...["bpf", "userfaultfd", "perfEventOpen", "syslog"] as const,
];

/** Calls with access to objects of all processes in the IPC namespace. */
const SHARED_MEMORY: readonly Call[] = [
  ...["shmget", "shmat", "shmctl", "semget", "semop", "semctl"] as const,
  ...["semtimedop", "msgget", "msgsnd", "msgrcv", "msgctl"] as const,
  ...["mqOpen", "mqUnlink"] as const,
];

/** From here on, numbers on x86_64 belong to the 32-bit calls of x32. */
const FIRST_X32_CALL = 0x40000000;

/** Offsets in `seccomp_data`. */
const NUMBER_OFFSET = 0;
const ARCH_OFFSET = 4;
/** The first two arguments; a process ID has 32 bits. */
const ARGUMENT_OFFSETS = [16, 24] as const;

/** Families of sockets. Raw ones of netlink do not read the network. */
const [AF_NETLINK, AF_PACKET] = [16, 17];

/** Types of sockets; the bits above are flags. */
const [SOCK_RAW, SOCK_PACKET, TYPE_MASK] = [3, 10, 0xf];

/** Values that select a user as the target of `setpriority` and `ioprio_set`. */
const PRIO_USER = 2;
const IOPRIO_WHO_USER = 3;

/** Instructions: load a word, mask it, compare it, return. */
const LOAD = 0x20;
const AND = 0x54;
const JUMP_IF_EQUAL = 0x15;
const JUMP_IF_AT_LEAST = 0x35;
const RETURN = 0x06;

const ALLOW = 0x7fff0000;
const FAIL = 0x00050000;
const ENOSYS = 38;
const EPERM = 1;
const EACCES = 13;

/** An instruction: code, jump if true, jump if false, operand. */
type Instruction = readonly [number, number, number, number];

/**
 * Builds the filter. A refused call fails with `ENOSYS`, so that programs fall back
 * to another way. A call that permissions of a step could allow fails with
 * `EACCES`.
 *
 * 1. Calls of another architecture, such as 32-bit calls, are refused: their
 *    numbers mean something else.
 * 2. Each listed call is refused by its number.
 * 3. Raw sockets, and limits and priorities of all processes except the calling one,
 *    can be refused by the arguments of the call.
 * 4. Everything else is allowed.
 *
 * @returns Instructions of eight bytes, in the byte order of the processor.
 */
export function seccompFilter(
  options: SeccompFilterOptions,
): Uint8Array<ArrayBuffer> {
  const { architecture, refusesTruncate = false } = options;
  const at = architecture === "x86_64" ? 0 : 1;
  const refused = [
    ...ALWAYS_REFUSED,
    ...refusesTruncate ? ["truncate"] as const : [],
  ];
  const denied = [
    ...options.refusesSockets ? ["socket"] as const : [],
    ...options.refusesMemory ? SHARED_MEMORY : [],
  ];
  return assemble([
    [LOAD, 0, 0, ARCH_OFFSET],
    [JUMP_IF_EQUAL, 1, 0, AUDIT_ARCH[architecture]],
    fail(ENOSYS),
    [LOAD, 0, 0, NUMBER_OFFSET],
    [JUMP_IF_AT_LEAST, 0, 1, FIRST_X32_CALL],
    fail(ENOSYS),
    ...refused.flatMap((call) => refusal(CALLS[call][at], ENOSYS)),
    ...denied.flatMap((call) => refusal(CALLS[call][at], EACCES)),
    ...options.refusesRawSockets ? rawSocketRefusal(CALLS.socket[at]) : [],
    ...options.refusesOtherProcesses
      ? [
        ...refusalForOthers(CALLS.prlimit64[at]),
        ...refusalForOthers(CALLS.setpriority[at], PRIO_USER),
        ...refusalForOthers(CALLS.ioprioSet[at], IOPRIO_WHO_USER),
      ]
      : [],
    [RETURN, 0, 0, ALLOW],
  ]);
}

function refusal(number: number, errno: number): Instruction[] {
  return [[JUMP_IF_EQUAL, 0, 1, number], fail(errno)];
}

function rawSocketRefusal(number: number): Instruction[] {
  const [family, type] = ARGUMENT_OFFSETS;
  return [
    [JUMP_IF_EQUAL, 0, 9, number],
    [LOAD, 0, 0, family],
    [JUMP_IF_EQUAL, 5, 0, AF_PACKET],
    [JUMP_IF_EQUAL, 5, 0, AF_NETLINK],
    [LOAD, 0, 0, type],
    [AND, 0, 0, TYPE_MASK],
    [JUMP_IF_EQUAL, 1, 0, SOCK_RAW],
    [JUMP_IF_EQUAL, 0, 1, SOCK_PACKET],
    fail(EPERM),
    [LOAD, 0, 0, NUMBER_OFFSET],
  ];
}

/**
 * Refuses a call that does not name the calling process, which is 0.
 *
 * @param user Kind of target that means a user, if the first argument is a kind.
 */
function refusalForOthers(number: number, user?: number): Instruction[] {
  const [first, second] = ARGUMENT_OFFSETS;
  const kind: Instruction[] = user === undefined
    ? []
    : [[LOAD, 0, 0, first], [JUMP_IF_EQUAL, 2, 0, user]];
  return [
    [JUMP_IF_EQUAL, 0, kind.length + 4, number],
    ...kind,
    [LOAD, 0, 0, user === undefined ? first : second],
    [JUMP_IF_EQUAL, 1, 0, 0],
    fail(EPERM),
    [LOAD, 0, 0, NUMBER_OFFSET],
  ];
}

function fail(errno: number): Instruction {
  return [RETURN, 0, 0, FAIL | errno];
}

function assemble(
  program: readonly Instruction[],
): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(program.length * 8));
  program.forEach(([code, ifTrue, ifFalse, operand], index) => {
    view.setUint16(index * 8, code, true);
    view.setUint8(index * 8 + 2, ifTrue);
    view.setUint8(index * 8 + 3, ifFalse);
    view.setUint32(index * 8 + 4, operand, true);
  });
  return new Uint8Array(view.buffer);
}
