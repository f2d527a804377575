//! The one place for differences between kernels. [`Kernel::probe`] asks the running kernel what
//! it has; nothing here decides by version number.
//!
//! Fails only when there is no BTF at all: everything else that is missing is noted and costs the
//! signals that need it.

pub mod attach;
pub mod btf;
pub mod caps;
pub mod enums;
pub mod offsets;
pub mod symbols;
pub mod sysctl;
pub mod tiers;

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use tcptrace_common::config::{
    ARG_DROP_REASON, ARG_DROP_SOCK, ARG_RESET_REASON, ARG_RETRANSMIT_ERR, Config,
    HELPER_SOCKET_COOKIE, HELPER_TASK_BTF, NESTED_PIDNS, NO_REASON,
};
use tcptrace_common::offsets::KernelOffsets;

use crate::model::Host;
use btf::{Btf, BtfError};
use enums::ReasonNames;

/// Inode of the initial PID namespace (`PROC_PID_INIT_INO`, the same on every kernel).
const INITIAL_PIDNS: u32 = 0xefff_fffc;

/// What the running kernel offers.
#[derive(Debug)]
pub struct Kernel {
    /// `uname -r`, only ever printed.
    pub release: String,
    /// Where its fields lie.
    pub offsets: KernelOffsets,
    /// Names of its reasons.
    pub reasons: ReasonNames,
    /// Address of the function that ends TIME_WAIT, or why it is not known.
    pub tw_timer_handler: Result<u64, String>,
    /// Address of the function that ends a timed sleep, or why it is not known.
    pub process_timeout: Result<u64, String>,
    /// `kfree_skb` tells the socket.
    pub has_drop_socket: bool,
    /// Which of [`tiers::FUNCTIONS`] it has.
    functions: BTreeSet<&'static str>,
    /// Features and numbers for the programs, filters still empty.
    pub config: Config,
    /// Ticks per second of jiffies.
    pub hz: Option<u64>,
}

impl Kernel {
    /// Asks the running kernel.
    ///
    /// # Errors
    /// When it has no readable BTF.
    pub fn probe() -> Result<Self, BtfError> {
        let kernel_types = Btf::from_kernel()?;
        let mut config = Config::EMPTY;
        let reasons = ReasonNames::from_btf(&kernel_types);
        arguments(&kernel_types, &mut config);
        helpers(&kernel_types, &mut config);
        numbers(&kernel_types, &reasons, &mut config);
        pid_namespace(&mut config);
        let [tw_timer_handler, process_timeout] = functions();
        config.tw_timer_handler = tw_timer_handler.as_ref().copied().unwrap_or(0);
        config.process_timeout = process_timeout.as_ref().copied().unwrap_or(0);
        let uname = rustix::system::uname();
        Ok(Self {
            release: uname.release().to_string_lossy().into_owned(),
            offsets: offsets::resolve(&kernel_types),
            functions: functions_of(&kernel_types),
            has_drop_socket: config.features & ARG_DROP_SOCK != 0,
            reasons,
            tw_timer_handler,
            process_timeout,
            config,
            hz: ticks_per_second(),
        })
    }

    /// Whether its types know the function. It may still be inlined everywhere: attaching tells.
    pub fn has_function(&self, name: &str) -> bool {
        self.functions.contains(name)
    }

    /// Whether `tcp_send_reset` gives a reason, and so reports RSTs without a full socket.
    pub fn has_reset_reason(&self) -> bool {
        self.config.features & ARG_RESET_REASON != 0
    }

    /// Number of a drop reason by name (without prefix).
    pub fn drop_reason(&self, name: &str) -> Option<u32> {
        self.reasons.drop_number(name)
    }

    /// What interpretation needs to know of it.
    pub fn host(&self) -> Host {
        Host {
            reset_reasons: by_number(self.reasons.resets()),
            drop_reasons: by_number(self.reasons.drops()),
            hz: self.hz,
        }
    }
}

fn functions_of(kernel: &Btf) -> BTreeSet<&'static str> {
    tiers::FUNCTIONS
        .iter()
        .copied()
        .filter(|name| kernel.function(name).is_some())
        .collect()
}

/// Names in a list whose places are the numbers.
fn by_number<'a>(names: impl Iterator<Item = (u32, &'a Arc<str>)>) -> Vec<Option<Arc<str>>> {
    let mut list = Vec::new();
    for (number, name) in names {
        // Subsystems number theirs from 0x10000 on; TCP's are all below.
        if let Some(place) = usize::try_from(number)
            .ok()
            .filter(|place| *place < 0x1_0000)
        {
            if list.len() <= place {
                list.resize(place + 1, None);
            }
            list[place] = Some(Arc::clone(name));
        }
    }
    list
}

/// How many arguments each tracepoint has: later kernels appended some.
fn arguments(kernel: &Btf, config: &mut Config) {
    let count = |tracepoint: &str| {
        kernel
            .typedef_proto(&format!("btf_trace_{tracepoint}"))
            .map_or(0, |p| p.params.len())
    };
    let mut set = |bit: u32, present: bool| config.features |= if present { bit } else { 0 };
    set(ARG_RESET_REASON, count("tcp_send_reset") >= 3);
    let drop = count("kfree_skb");
    set(ARG_DROP_REASON, drop >= 3);
    set(ARG_DROP_SOCK, drop >= 4);
    set(ARG_RETRANSMIT_ERR, count("tcp_retransmit_skb") >= 3);
}

/// Helpers a BTF tracepoint may call: those whose implementations the kernel has.
fn helpers(kernel: &Btf, config: &mut Config) {
    if kernel.function("bpf_get_socket_ptr_cookie").is_some() {
        config.features |= HELPER_SOCKET_COOKIE;
    }
    if kernel.function("bpf_get_current_task_btf").is_some() {
        config.features |= HELPER_TASK_BTF;
    }
}

/// Numbers of reasons and counters; they move between releases, names do not.
fn numbers(kernel: &Btf, reasons: &ReasonNames, config: &mut Config) {
    let reason = |name: &str| reasons.drop_number(name).unwrap_or(NO_REASON);
    config.drop_listen_overflow = reason("TCP_LISTEN_OVERFLOW");
    config.drop_paws = reason("TCP_RFC7323_PAWS");
    config.drop_paws_ack = reason("TCP_RFC7323_PAWS_ACK");
    config.drop_tw_paws = reason("TCP_RFC7323_TW_PAWS");
    config.drop_tsecr = reason("TCP_RFC7323_TSECR");
    config.drop_no_socket = reason("NO_SOCKET");
    config.drop_not_specified = reason("NOT_SPECIFIED");
    let counters = kernel.variant_values(&[
        "LINUX_MIB_LISTENOVERFLOWS",
        "LINUX_MIB_TCPREQQFULLDROP",
        "LINUX_MIB_TCPREQQFULLDOCOOKIES",
        "LINUX_MIB_EMBRYONICRSTS",
        "LINUX_MIB_PAWSESTABREJECTED",
        "TCP_MIB_OUTRSTS",
    ]);
    let numbers: Vec<u32> = counters
        .iter()
        .map(|value| {
            value
                .and_then(|v| u32::try_from(v).ok())
                .unwrap_or(NO_REASON)
        })
        .collect();
    let [overflows, drops, cookies, embryonic, paws, resets] = numbers[..] else {
        return;
    };
    if ![overflows, drops, cookies].contains(&NO_REASON) {
        config.mib_listen_overflows = overflows;
        config.mib_syn_queue_drops = drops;
        config.mib_syn_queue_cookies = cookies;
    }
    config.mib_embryonic_resets = embryonic;
    config.mib_paws_rejects = paws;
    config.mib_out_resets = resets;
}

/// In a PID namespace of our own the programs must translate pids, or /proc would not know them.
fn pid_namespace(config: &mut Config) {
    use std::os::unix::fs::MetadataExt;
    let Ok(namespace) = fs::metadata("/proc/self/ns/pid") else {
        return;
    };
    let Ok(inode) = u32::try_from(namespace.ino()) else {
        return;
    };
    if inode != INITIAL_PIDNS {
        config.features |= NESTED_PIDNS;
        config.pidns = inode;
    }
}

fn functions() -> [Result<u64, String>; 2] {
    let names = ["tw_timer_handler", "process_timeout"];
    symbols::addresses(&names)
        .into_iter()
        .map(|found| found.map_err(|error| error.to_string()))
        .collect::<Vec<_>>()
        .try_into()
        .unwrap_or_else(|_| names.map(|_| Err("no answer".to_owned())))
}

/// The coarse clocks advance once a tick, so their resolution is the length of a jiffy.
fn ticks_per_second() -> Option<u64> {
    let resolution = rustix::time::clock_getres(rustix::time::ClockId::MonotonicCoarse);
    let nanos = u64::try_from(resolution.tv_nsec)
        .ok()
        .filter(|nanos| *nanos > 0)?;
    (resolution.tv_sec == 0).then(|| (1_000_000_000 + nanos / 2) / nanos)
}
