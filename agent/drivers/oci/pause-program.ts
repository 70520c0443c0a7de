/**
 * The program of the pause container, as bytes: it blocks SIGTERM and SIGINT, waits for one of them and exits with
 * 0. Blocked signals reach even a process 1, whose unhandled ones the kernel drops. It ignores SIGCHLD, by which the
 * kernel buries the orphans that come to it where containers share its processes. Four system calls and no library, so
 * that it runs on anything and needs no registry, compiler or build step.
 */
export type PauseArchitecture = 'amd64' | 'arm64' | 'arm';

export function pauseProgram(architecture: PauseArchitecture): Uint8Array {
  const programs: Record<PauseArchitecture, () => Uint8Array> = {
    amd64: () => elf64({ machine: 62, code: amd64Code() }),
    arm64: () => elf64({ machine: 183, code: arm64Code() }),
    arm: () => elf32(armCode()),
  };
  return programs[architecture]();
}

/** Undefined where no pause program was written for this processor. */
export function pauseArchitecture(nodeArchitecture: string): PauseArchitecture | undefined {
  switch (nodeArchitecture) {
    case 'x64':
      return 'amd64';
    case 'arm64':
    case 'arm':
      return nodeArchitecture;
    default:
      return undefined;
  }
}

const sigint = 2;
const sigterm = 15;
const signalSet = (1 << (sigint - 1)) | (1 << (sigterm - 1));
const signalSetBytes = 8;
const sigchld = 17;
/** The kernel's struct sigaction begins with the handler; flags, restorer and mask are 0. */
const sigIgn = 1;
const loadAddress = 0x400000;

/** rt_sigaction 13, rt_sigprocmask 14, rt_sigtimedwait 128, exit 60; arguments in rdi, rsi, rdx, r10. */
function amd64Code(): Uint8Array {
  const at = (offset: number) => littleEndian(loadAddress + header64Bytes + offset, 4).toString('hex');
  const set = at(82);
  const action = at(82 + signalSetBytes);
  const instructions = [
    'b80d000000', //      mov eax, 13
    'bf11000000', //      mov edi, 17      SIGCHLD
    `be${action}`, //     mov esi, action
    '31d2', //            xor edx, edx
    '41ba08000000', //    mov r10d, 8
    '0f05', //            syscall
    'b80e000000', //      mov eax, 14
    '31ff', //            xor edi, edi     SIG_BLOCK
    `be${set}`, //        mov esi, set
    '31d2', //            xor edx, edx
    '41ba08000000', //    mov r10d, 8
    '0f05', //            syscall
    'b880000000', // wait: mov eax, 128
    `bf${set}`, //        mov edi, set
    '31f6', //            xor esi, esi
    '31d2', //            xor edx, edx     no time limit
    '41ba08000000', //    mov r10d, 8
    '0f05', //            syscall
    '85c0', //            test eax, eax
    '78e6', //            js wait          interrupted
    'b83c000000', //      mov eax, 60
    '31ff', //            xor edi, edi
    '0f05', //            syscall
  ];
  return Buffer.concat([
    Buffer.from(instructions.join(''), 'hex'),
    littleEndian(signalSet, signalSetBytes),
    littleEndian(sigIgn, 32),
  ]);
}

/** rt_sigaction 134, rt_sigprocmask 135, rt_sigtimedwait 137, exit 93 in x8; arguments in x0 to x3. */
function arm64Code(): Uint8Array {
  const move = (register: number, value: number) => (0xd2800000 | (value << 5) | register) >>> 0;
  const addressOf = (register: number, distance: number) =>
    (0x10000000 | ((distance >> 2) << 5) | register) >>> 0;
  const call = 0xd4000001;
  const words = [
    move(8, 134),
    move(0, sigchld),
    addressOf(1, 4 * 22),
    move(2, 0),
    move(3, signalSetBytes),
    call,
    move(8, 135),
    move(0, 0),
    addressOf(1, 4 * 14),
    move(2, 0),
    move(3, signalSetBytes),
    call,
    move(8, 137), // wait:
    addressOf(0, 4 * 9),
    move(1, 0),
    move(2, 0),
    move(3, signalSetBytes),
    call,
    0xb7ffff40, // tbnz x0, #63, wait
    move(8, 93),
    move(0, 0),
    call,
    signalSet,
    0,
    sigIgn,
    ...zeros(7),
  ];
  return Uint8Array.from(words.flatMap((word) => [...littleEndian(word, 4)]));
}

/**
 * rt_sigaction 174, rt_sigprocmask 175, rt_sigtimedwait 177, exit 1 in r7; arguments in r0 to r3. Plain ARM instructions: every ARMv6
 * and later.
 */
function armCode(): Uint8Array {
  const move = (register: number, value: number) => (0xe3a00000 | (register << 12) | value) >>> 0;
  const addressOf = (register: number, distance: number) =>
    (0xe28f0000 | (register << 12) | (distance - 8)) >>> 0;
  const call = 0xef000000;
  const words = [
    move(7, 174),
    move(0, sigchld),
    addressOf(1, 4 * 23),
    move(2, 0),
    move(3, signalSetBytes),
    call,
    move(7, 175),
    move(0, 0),
    addressOf(1, 4 * 15),
    move(2, 0),
    move(3, signalSetBytes),
    call,
    move(7, 177), // wait:
    addressOf(0, 4 * 10),
    move(1, 0),
    move(2, 0),
    move(3, signalSetBytes),
    call,
    0xe3500000, // cmp r0, #0
    0x4afffff7, // bmi wait
    move(7, 1),
    move(0, 0),
    call,
    signalSet,
    0,
    sigIgn,
    ...zeros(4),
  ];
  return Uint8Array.from(words.flatMap((word) => [...littleEndian(word, 4)]));
}

const header64Bytes = 64 + 56;
const header32Bytes = 52 + 32;
const segmentBytes = 0x1000;

/** One executable segment that is the whole file (elf(5)). */
function elf64({ machine, code }: { machine: number; code: Uint8Array }): Uint8Array {
  const size = header64Bytes + code.length;
  return Uint8Array.from([
    ...identification(2),
    ...littleEndian(2, 2), // executable
    ...littleEndian(machine, 2),
    ...littleEndian(1, 4),
    ...littleEndian(loadAddress + header64Bytes, 8), // entry
    ...littleEndian(64, 8), // program headers
    ...littleEndian(0, 8),
    ...littleEndian(0, 4),
    ...[64, 56, 1, 64, 0, 0].flatMap((value) => [...littleEndian(value, 2)]),
    ...littleEndian(1, 4), // loadable
    ...littleEndian(5, 4), // read, execute
    ...[0, loadAddress, loadAddress, size, size, segmentBytes].flatMap((value) => [
      ...littleEndian(value, 8),
    ]),
    ...code,
  ]);
}

function elf32(code: Uint8Array): Uint8Array {
  const size = header32Bytes + code.length;
  const armEabi5 = 0x05000000;
  return Uint8Array.from([
    ...identification(1),
    ...littleEndian(2, 2),
    ...littleEndian(40, 2),
    ...[1, loadAddress + header32Bytes, 52, 0, armEabi5].flatMap((value) => [...littleEndian(value, 4)]),
    ...[52, 32, 1, 40, 0, 0].flatMap((value) => [...littleEndian(value, 2)]),
    ...[1, 0, loadAddress, loadAddress, size, size, 5, segmentBytes].flatMap((value) => [
      ...littleEndian(value, 4),
    ]),
    ...code,
  ]);
}

function zeros(length: number): number[] {
  return Array.from({ length }, () => 0);
}

function identification(wordSize: 1 | 2): number[] {
  return [0x7f, 0x45, 0x4c, 0x46, wordSize, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
}

function littleEndian(value: number, bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntLE(value, 0, Math.min(bytes, 6));
  return buffer;
}
