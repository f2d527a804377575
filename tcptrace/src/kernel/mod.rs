//! The one place for differences between kernels. [`Kernel::probe`] asks the running kernel what
//! it has, [`Kernel::from_types`] the types of any kernel; nothing here decides by version number.
//!
//! Fails only when there is no BTF at all: everything else that is missing is noted and costs the
//! signals that need it.

pub mod attach;
pub mod btf;
pub mod caller;
pub mod caps;
pub mod clock;
pub mod confine;
pub mod enums;
mod facts;
pub mod memory_limit;
pub mod offsets;
pub mod symbols;
pub mod sysctl;
pub mod tiers;

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use tcptrace_common::config::{ARG_RESET_REASON, Config, NESTED_PIDNS, NO_REASON};
use tcptrace_common::offsets::{HolderOffsets, KernelOffsets};

use crate::model::Host;
use btf::{Btf, BtfError, TypeIds};
use enums::ReasonNames;

/// Inode of the initial PID namespace (`PROC_PID_INIT_INO`, the same on every kernel).
const INITIAL_PIDNS: u32 = 0xefff_fffc;

/// What a kernel offers.
#[derive(Debug)]
pub struct Kernel {
    /// `uname -r`, or the name of the file its types come from; only ever printed.
    pub release: String,
    /// Where its fields lie.
    pub offsets: KernelOffsets,
    /// Where it keeps who holds a file; of the running kernel only.
    pub holder_offsets: HolderOffsets,
    /// Names of its reasons.
    pub reasons: ReasonNames,
    /// Address of the function that ends TIME_WAIT, or why it is not known; `None` = it is there,
    /// but the kernel does not run here.
    pub tw_timer_handler: Result<Option<u64>, String>,
    /// Address of the function that ends a timed sleep, looked up likewise.
    pub process_timeout: Result<Option<u64>, String>,
    /// `kfree_skb` reports the socket.
    pub has_drop_socket: bool,
    /// Where its types have the names by which programs are attached.
    attach_places: TypeIds,
    /// Which of [`tiers::functions`] it has.
    functions: BTreeSet<&'static str>,
    /// Which of [`tiers::tracepoints`] it has.
    tracepoints: BTreeSet<&'static str>,
    /// Features and numbers for the programs, filters still empty.
    pub config: Config,
    /// A tracepoint's program is not run again on a CPU where it runs (from 6.1 on); known of the running
    /// kernel only.
    pub skips_runs: bool,
    /// `task_struct.nsproxy` and `nsproxy.net_ns`; of the running kernel only.
    own_netns: Option<[u64; 2]>,
    /// Ticks per second of jiffies; known of the running kernel only.
    pub hz: Option<u64>,
}

impl Kernel {
    /// Asks the running kernel.
    ///
    /// # Errors
    /// When it has no readable BTF.
    pub fn probe() -> Result<Self, BtfError> {
        let release = rustix::system::uname();
        let release = release.release().to_string_lossy().into_owned();
        let types = Btf::from_kernel()?;
        let mut kernel = Self::from_types(&types, release);
        // Not among the offsets that every kernel is judged by: without it only connections that nobody
        // has accepted are identified by their port.
        kernel.config.tcp_sent_queue = offsets::sent_queue(&types).unwrap_or(NO_REASON);
        // Likewise: without them the user side asks /proc.
        kernel.holder_offsets = offsets::holders(&types);
        // Nor these: without them SYNs that tcp_max_syn_backlog refuses are counted and not seen.
        offsets::half_open_limits(&types, &mut kernel.config);
        // Nor these: without them the first refusal on each CPU is judged by the queues.
        kernel.own_netns = offsets::own_netns(&types);
        // Exported for the other programs by the change that guards those of tracepoints.
        kernel.skips_runs = types.function("bpf_prog_inc_misses_counter").is_some();
        pid_namespace(&mut kernel.config);
        time_namespace(&mut kernel.config);
        let [tw_timer_handler, process_timeout] = functions();
        kernel.config.tw_timer_handler = tw_timer_handler.as_ref().copied().unwrap_or(0);
        kernel.config.process_timeout = process_timeout.as_ref().copied().unwrap_or(0);
        kernel.tw_timer_handler = tw_timer_handler.map(Some);
        kernel.process_timeout = process_timeout.map(Some);
        kernel.hz = ticks_per_second();
        Ok(kernel)
    }

    /// Whether we are in a PID namespace of our own, where processes outside are not listed.
    pub fn is_nested(&self) -> bool {
        self.config.features & NESTED_PIDNS != 0
    }

    /// Whether its types know the function. It may still be inlined everywhere: only attaching shows it.
    pub fn has_function(&self, name: &str) -> bool {
        self.functions.contains(name)
    }

    /// Whether its types know the tracepoint, which attaching to it needs.
    pub fn has_tracepoint(&self, name: &str) -> bool {
        self.tracepoints.contains(name)
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

/// In a time namespace of our own, /proc shows other start times of processes than the kernel has.
fn time_namespace(config: &mut Config) {
    config.boot_offset_ns = clock::namespace_offset_ns().cast_unsigned();
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
