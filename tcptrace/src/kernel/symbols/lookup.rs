//! Addresses from the kernel's symbol table, by a program that runs once.
//!
//! A program of the "syscall" type attaches to nothing: it is loaded, run for this process, and
//! gone. It calls one helper (`bpf_kallsyms_lookup_name`, 5.16 and later) and hands the address
//! back. Every refusal (older kernel, missing capability, hidden addresses, unknown name) is None:
//! the caller has a slower way that distinguishes these.

use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

const PROG_LOAD: libc::c_long = 5;
const PROG_TEST_RUN: libc::c_long = 10;
const PROG_TYPE_SYSCALL: u32 = 31;
/// Programs of this type may sleep, and must say so.
const SLEEPABLE: u32 = 1 << 4;
const HELPER_KALLSYMS_LOOKUP_NAME: i32 = 179;
/// The name with its NUL, on a stack of 512 bytes; the functions we ask for have under 40.
const MAX_NAME: usize = 64;

/// One instruction: opcode, destination and source register, offset, immediate.
#[repr(C)]
#[derive(Clone, Copy)]
struct Instruction {
    code: u8,
    registers: u8,
    offset: i16,
    immediate: i32,
}

/// The arguments of PROG_LOAD this needs; the kernel takes the rest as 0.
#[repr(C)]
#[derive(Default)]
struct Load {
    program_type: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buffer: u64,
    kernel_version: u32,
    flags: u32,
}

/// The arguments of PROG_TEST_RUN this needs.
#[repr(C)]
#[derive(Default)]
struct Run {
    program: u32,
    result: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    context_size_in: u32,
    context_size_out: u32,
    context_in: u64,
    context_out: u64,
    flags: u32,
    cpu: u32,
}

/// The address of the function `name`. None for whatever reason.
pub(super) fn address(name: &str) -> Option<u64> {
    if name.is_empty() || name.len() >= MAX_NAME || name.contains('\0') {
        return None;
    }
    let program = load(&program(name))?;
    let mut address = 0_u64;
    let mut run = Run {
        program: program.as_raw_fd().cast_unsigned(),
        context_size_in: size_of::<u64>() as u32,
        context_in: &raw mut address as u64,
        ..Run::default()
    };
    // SAFETY: the attribute is as long as stated, and the kernel reads and writes exactly
    // `context_size_in` bytes at `context_in`, which is `address`.
    let done = unsafe { bpf(PROG_TEST_RUN, (&raw mut run).cast(), size_of::<Run>()) };
    (done == 0 && run.result == 0 && address != 0).then_some(address)
}

fn load(program: &[Instruction]) -> Option<OwnedFd> {
    let mut load = Load {
        program_type: PROG_TYPE_SYSCALL,
        instruction_count: u32::try_from(program.len()).ok()?,
        instructions: program.as_ptr() as u64,
        // The helper is for programs under a licence compatible with the kernel's only.
        license: c"Dual MIT/GPL".as_ptr() as u64,
        flags: SLEEPABLE,
        ..Load::default()
    };
    // SAFETY: the attribute is as long as stated; the instructions and the licence it points to
    // outlive the call, which only reads them.
    let fd = unsafe { bpf(PROG_LOAD, (&raw mut load).cast(), size_of::<Load>()) };
    let fd = i32::try_from(fd).ok().filter(|&fd| fd >= 0)?;
    // SAFETY: the kernel has just made this descriptor for us and nobody else knows it.
    Some(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// # Safety
/// `attribute` must point to `size` bytes valid for the command, with valid pointers inside.
unsafe fn bpf(command: libc::c_long, attribute: *mut u8, size: usize) -> libc::c_long {
    // SAFETY: as promised by the caller.
    unsafe { libc::syscall(libc::SYS_bpf, command, attribute, size) }
}

/// `*(u64 *)ctx = lookup(name)`, returning the helper's verdict.
fn program(name: &str) -> Vec<Instruction> {
    const STORE_WORD: u8 = 0x62; // *(u32 *)(dst + offset) = immediate
    const STORE_DOUBLE: u8 = 0x7a; // *(u64 *)(dst + offset) = immediate
    const LOAD_DOUBLE: u8 = 0x79; // dst = *(u64 *)(src + offset)
    const STORE_REGISTER: u8 = 0x7b; // *(u64 *)(dst + offset) = src
    const MOVE: u8 = 0xbf; // dst = src
    const SET: u8 = 0xb7; // dst = immediate
    const ADD: u8 = 0x07; // dst += immediate
    const CALL: u8 = 0x85;
    const EXIT: u8 = 0x95;
    const STACK: u8 = 10;
    const NAME_AT: i16 = -(MAX_NAME as i16);
    const RESULT_AT: i16 = NAME_AT - 8;

    let op = |code, dst: u8, src: u8, offset, immediate| Instruction {
        code,
        // Two fields of four bits, which the compiler of the kernel lays out by byte order.
        registers: if cfg!(target_endian = "big") {
            dst << 4 | src
        } else {
            src << 4 | dst
        },
        offset,
        immediate,
    };
    let mut padded = [0; MAX_NAME];
    padded[..name.len()].copy_from_slice(name.as_bytes());
    let mut program = vec![op(MOVE, 6, 1, 0, 0)];
    for (i, word) in padded.chunks_exact(4).enumerate() {
        let word = word.try_into().map_or(0, i32::from_ne_bytes);
        program.push(op(STORE_WORD, STACK, 0, NAME_AT + 4 * i as i16, word));
    }
    program.extend([
        op(STORE_DOUBLE, STACK, 0, RESULT_AT, 0),
        op(MOVE, 1, STACK, 0, 0),
        op(ADD, 1, 0, 0, i32::from(NAME_AT)),
        op(SET, 2, 0, 0, name.len() as i32 + 1),
        op(SET, 3, 0, 0, 0),
        op(MOVE, 4, STACK, 0, 0),
        op(ADD, 4, 0, 0, i32::from(RESULT_AT)),
        op(CALL, 0, 0, 0, HELPER_KALLSYMS_LOOKUP_NAME),
        op(LOAD_DOUBLE, 1, STACK, RESULT_AT, 0),
        op(STORE_REGISTER, 6, 1, 0, 0),
        op(EXIT, 0, 0, 0, 0),
    ]);
    program
}
