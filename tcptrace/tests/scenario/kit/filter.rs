//! Classic BPF filters that make one receiving TCP socket deaf to chosen segments. The kernel runs
//! them with the TCP header at offset 0 and drops the segment when they return 0, so a scenario
//! loses exactly the packets it names, without netem or a firewall.

use std::io::Result;
use std::os::fd::RawFd;

use super::sys;

const FIN: u32 = 0x01;
const SYN: u32 = 0x02;
const ACK: u32 = 0x10;

const LOAD_BYTE: u16 = 0x30;
const LOAD_LEN: u16 = 0x80;
const AND: u16 = 0x54;
const RIGHT_SHIFT: u16 = 0x74;
const LEFT_SHIFT: u16 = 0x64;
const SUB_X: u16 = 0x1c;
const TO_X: u16 = 0x07;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_GREATER: u16 = 0x25;
const RETURN: u16 = 0x06;

const fn op(code: u16, k: u32) -> libc::sock_filter {
    libc::sock_filter {
        code,
        jt: 0,
        jf: 0,
        k,
    }
}

/// Jumps over the next instruction (the drop) unless the comparison holds.
const fn only_if(code: u16, k: u32) -> libc::sock_filter {
    libc::sock_filter {
        code,
        jt: 0,
        jf: 1,
        k,
    }
}

const DROP: libc::sock_filter = op(RETURN, 0);
const KEEP: libc::sock_filter = op(RETURN, u32::MAX);

fn with_flags(mask: u32, value: u32) -> Vec<libc::sock_filter> {
    vec![
        op(LOAD_BYTE, 13),
        op(AND, mask),
        only_if(JUMP_EQUAL, value),
        DROP,
        KEEP,
    ]
}

fn with_payload(comparison: libc::sock_filter) -> Vec<libc::sock_filter> {
    vec![
        op(LOAD_BYTE, 12),
        op(RIGHT_SHIFT, 4),
        op(LEFT_SHIFT, 2),
        op(TO_X, 0),
        op(LOAD_LEN, 0),
        op(SUB_X, 0),
        comparison,
        DROP,
        KEEP,
    ]
}

/// The program for a name as scenarios write it, `None` for an unknown name.
fn program(what: &str) -> Option<Vec<libc::sock_filter>> {
    Some(match what {
        "all" => vec![DROP],
        "syn" => with_flags(SYN | ACK, SYN),
        "synack" => with_flags(SYN | ACK, SYN | ACK),
        "ack" => with_flags(SYN | ACK, ACK),
        "fin" => with_flags(FIN, FIN),
        "data" => with_payload(only_if(JUMP_GREATER, 0)),
        _ => {
            let len = what.strip_prefix("payload=")?.parse().ok()?;
            with_payload(only_if(JUMP_EQUAL, len))
        }
    })
}

/// Makes `fd` drop what `what` names: `all`, `syn`, `synack`, `ack` (every segment with ACK but
/// without SYN), `fin`, `data` (any payload), `payload=N` (exactly N bytes of it).
pub(crate) fn attach(fd: RawFd, what: &str) -> Result<()> {
    let mut code = program(what).ok_or(std::io::ErrorKind::InvalidInput)?;
    let program = libc::sock_fprog {
        len: code.len() as u16,
        filter: code.as_mut_ptr(),
    };
    sys::set_option(fd, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
}

/// Lets every segment through again.
pub(crate) fn detach(fd: RawFd) -> Result<()> {
    sys::set_option(fd, libc::SOL_SOCKET, libc::SO_DETACH_FILTER, &0i32)
}
