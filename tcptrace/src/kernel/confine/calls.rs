//! The system calls of a phase, and no other, from now on: the table becomes a seccomp filter.
//!
//! A call that is not in the table fails with EPERM, and nothing is killed: a call that nobody thought of
//! must not end an observation. With `TCPTRACE_LOG=confine=debug`, and in debug builds, it names itself on
//! stderr ([`super::refused`]); so every scenario is a test of the table. A call by another way of calling
//! (the 32-bit one, of which the same numbers mean other calls) ends the process.

use std::collections::BTreeMap;
use std::io;

use seccompiler::SeccompCmpArgLen::{Dword, Qword};
use seccompiler::SeccompCmpOp::{Eq, MaskedEq};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCondition, SeccompFilter, SeccompRule,
    sock_filter,
};

use super::refused;
use super::table::{ABSENT, Condition, NEWEST, Phase, Row, TABLE};

/// Allows what `phase` needs to this thread and to those that it starts, for good; `command` is the
/// number of the traced command.
pub(super) fn allow_only(phase: Phase, command: Option<u32>) -> io::Result<()> {
    apply(phase, command, refused::are_named())
}

fn apply(phase: Phase, command: Option<u32>, are_named: bool) -> io::Result<()> {
    let action = if are_named {
        refused::name_them()?;
        SeccompAction::Trap
    } else {
        SeccompAction::Errno(libc::EPERM.cast_unsigned())
    };
    let mut program = allowed(phase, command)
        .and_then(|rules| compiled(rules, action))
        .map_err(io::Error::other)?;
    program.splice(0..0, absent());
    install(&program)
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// The rows of a phase.
pub(super) fn rows(phase: Phase) -> impl Iterator<Item = &'static Row> {
    TABLE.iter().filter(move |row| row.phases.contains(&phase))
}

fn allowed(phase: Phase, command: Option<u32>) -> Result<Rules, BackendError> {
    let mut rules = Rules::new();
    for row in rows(phase) {
        let ways: Vec<_> = row
            .when
            .iter()
            .filter_map(|conditions| way(conditions, command))
            .collect::<Result<_, _>>()?;
        // No condition at all allows every call; one that cannot be met allows none.
        if row.when.is_empty() || !ways.is_empty() {
            rules.extend(row.calls.iter().map(|(_, number)| (*number, ways.clone())));
        }
    }
    Ok(rules)
}

/// One list of conditions; `None`: it can never be met.
fn way(
    conditions: &[Condition],
    command: Option<u32>,
) -> Option<Result<SeccompRule, BackendError>> {
    let ours = u64::from(std::process::id());
    let compared = conditions.iter().map(|condition| {
        Some(match *condition {
            Condition::Is(argument, value) => {
                SeccompCondition::new(argument, Dword, Eq, value.into())
            }
            Condition::Lacks(argument, bits) => {
                SeccompCondition::new(argument, Dword, MaskedEq(bits.into()), 0)
            }
            Condition::Has(argument, bits) => {
                SeccompCondition::new(argument, Dword, MaskedEq(bits.into()), bits.into())
            }
            Condition::IsNull(argument) => SeccompCondition::new(argument, Qword, Eq, 0),
            Condition::IsOurs(argument) => SeccompCondition::new(argument, Dword, Eq, ours),
            Condition::IsCommand(argument) => {
                SeccompCondition::new(argument, Dword, Eq, command?.into())
            }
        })
    });
    let compared: Option<Vec<_>> = compared.collect();
    let compared: Result<Vec<_>, _> = compared?.into_iter().collect();
    Some(compared.and_then(SeccompRule::new))
}

fn compiled(rules: Rules, otherwise: SeccompAction) -> Result<BpfProgram, BackendError> {
    let machine = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, otherwise, SeccompAction::Allow, machine)?.try_into()
}

/// Instructions in front of a filter: calls that are not there.
fn absent() -> Vec<sock_filter> {
    let instruction = |code: u32, (jt, jf): (u8, u8), k: u32| sock_filter {
        // All codes are below 256.
        code: code as u16,
        jt,
        jf,
        k,
    };
    let unknown = instruction(
        libc::BPF_RET | libc::BPF_K,
        (0, 0),
        libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned(),
    );
    // The number of the call is the first word there is.
    let mut program = vec![instruction(
        libc::BPF_LD | libc::BPF_W | libc::BPF_ABS,
        (0, 0),
        0,
    )];
    for (_, number) in ABSENT {
        let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
        // Numbers of calls are small.
        program.push(instruction(equal, (0, 1), *number as u32));
        program.push(unknown.clone());
    }
    let above = libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K;
    program.push(instruction(above, (0, 1), NEWEST));
    program.push(unknown);
    program
}

fn install(program: &[sock_filter]) -> io::Result<()> {
    let length = u16::try_from(program.len()).map_err(io::Error::other)?;
    let program = libc::sock_fprog {
        len: length,
        filter: program.as_ptr().cast_mut().cast(),
    };
    // Without the flag kernels before 5.16 turn off speculation, which costs time and guards only
    // against code that is not ours.
    // SAFETY: both types of an instruction are the kernel's, `repr(C)` with the same members; the
    // kernel copies as many as there are and writes nothing.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW,
            &raw const program,
        )
    };
    if answer == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests;
