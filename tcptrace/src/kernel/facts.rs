//! What follows from a kernel's types alone: BTF -> [`Kernel`], whether that kernel runs here or
//! not. It reads nothing from this machine; [`Kernel::probe`] adds what only a running kernel shows.
//!
//! What the types do not have is absent, and costs the signals that need it; only a file that holds
//! no types is an error.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::Context;
use tcptrace_common::config::{
    ARG_DROP_REASON, ARG_DROP_SOCK, ARG_RESET_REASON, ARG_RETRANSMIT_ERR, Config, HELPER_FUNC_RET,
    HELPER_SOCKET_COOKIE, HELPER_TASK_BTF, NO_REASON,
};

use tcptrace_common::offsets::HolderOffsets;

use super::btf::{Btf, TypeIds};
use super::enums::ReasonNames;
use super::{Kernel, offsets, tiers};

impl Kernel {
    /// What a kernel of these types offers. `release` is its name, only ever printed.
    ///
    /// Addresses of its functions and the length of its ticks are not known; a function the types
    /// do not have is taken to be missing.
    pub fn from_types(types: &Btf, release: String) -> Self {
        let mut config = Config::EMPTY;
        let reasons = ReasonNames::from_btf(types);
        arguments(types, &mut config);
        helpers(types, &mut config);
        numbers(types, &reasons, &mut config);
        Self {
            release,
            offsets: offsets::resolve(types),
            holder_offsets: HolderOffsets::ABSENT,
            attach_places: places_of(types),
            functions: functions_of(types),
            tracepoints: tracepoints_of(types),
            has_drop_socket: config.features & ARG_DROP_SOCK != 0,
            reasons,
            tw_timer_handler: function(types, "tw_timer_handler"),
            process_timeout: function(types, "process_timeout"),
            config,
            skips_runs: false,
            own_netns: None,
            hz: None,
        }
    }

    /// What a kernel offers whose types are in a file, as `/sys/kernel/btf/vmlinux` has them.
    ///
    /// # Errors
    /// When the file cannot be read, or is something else.
    pub fn from_file(path: &Path) -> anyhow::Result<Self> {
        let name = path.display();
        let bytes = fs::read(path).with_context(|| format!("cannot read {name}"))?;
        let types = Btf::parse(bytes).with_context(|| {
            format!("{name} does not contain a kernel's types, as /sys/kernel/btf/vmlinux does")
        })?;
        Ok(Self::from_types(&types, named_by(path)))
    }
}

/// The name of a kernel by the file of its types: `6.1.192.btf`, or `6.1/vmlinux.btf`.
fn named_by(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or(path.as_os_str());
    let directory = path.parent().and_then(Path::file_name);
    let name = match directory {
        Some(directory) if stem == "vmlinux" && !directory.is_empty() => directory,
        _ => stem,
    };
    name.to_string_lossy().into_owned()
}

/// A function that the programs know by its address.
fn function(types: &Btf, name: &str) -> Result<Option<u64>, String> {
    match types.function(name) {
        Some(_) => Ok(None),
        None => Err(format!("this kernel's BTF has no function {name}")),
    }
}

fn places_of(kernel: &Btf) -> TypeIds {
    let typedefs = tiers::tracepoints().map(|name| format!("btf_trace_{name}"));
    let functions = tiers::functions().chain([tiers::WALK]);
    TypeIds::find(kernel, typedefs, functions)
}

fn functions_of(kernel: &Btf) -> BTreeSet<&'static str> {
    tiers::functions()
        .filter(|name| kernel.function(name).is_some())
        .collect()
}

fn tracepoints_of(kernel: &Btf) -> BTreeSet<&'static str> {
    let is_there = |name: &&str| kernel.typedef_proto(&format!("btf_trace_{name}")).is_some();
    tiers::tracepoints().filter(is_there).collect()
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
    // The implementation of bpf_get_func_ret bears no prefix.
    if kernel.function("get_func_ret").is_some() {
        config.features |= HELPER_FUNC_RET;
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
        "LINUX_MIB_TCPTIMEWAITOVERFLOW",
    ]);
    let numbers: Vec<u32> = counters
        .iter()
        .map(|value| {
            value
                .and_then(|v| u32::try_from(v).ok())
                .unwrap_or(NO_REASON)
        })
        .collect();
    let [
        overflows,
        drops,
        cookies,
        embryonic,
        paws,
        resets,
        time_waits,
    ] = numbers[..]
    else {
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
    config.mib_time_wait_overflows = time_waits;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_types_is_named_by_itself_or_its_directory() {
        for (path, name) in [
            ("a/6.1.192.btf", "6.1.192"),
            ("target/kernels/6.1/vmlinux.btf", "6.1"),
            ("/sys/kernel/btf/vmlinux", "btf"),
            ("vmlinux", "vmlinux"),
        ] {
            assert_eq!(named_by(Path::new(path)), name, "{path}");
        }
    }
}
