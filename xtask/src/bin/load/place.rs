//! Where the load runs: a network namespace, processors, limits.

use std::fs;

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, UnshareFlags, sched_setaffinity};

/// Moves this process into a network namespace of its own, with a loopback interface and room for
/// what the load leaves behind. To be called before any thread is started.
pub(crate) fn enter() -> Result<()> {
    // SAFETY: neither files nor the directory are unshared, only the network namespace.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }
        .context("cannot make a network namespace; run as root")?;
    loopback_up().context("cannot bring the loopback interface up")?;
    for (name, value) in [
        ("net/ipv4/ip_local_port_range", "1024 65000"),
        ("net/ipv4/tcp_max_tw_buckets", "4000000"),
        ("net/core/somaxconn", "65535"),
    ] {
        let path = format!("/proc/sys/{name}");
        fs::write(&path, value).with_context(|| format!("cannot write {path}"))?;
    }
    let maximum = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, limit).context("cannot raise the limit of open files")
}

/// Keeps the calling thread on one processor.
pub(crate) fn pin(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set).with_context(|| format!("cannot run on processor {cpu}"))
}

fn loopback_up() -> Result<()> {
    use std::os::fd::AsRawFd;
    let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
    // SAFETY: all zeros is a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[..2].copy_from_slice(&[b'l'.cast_signed(), b'o'.cast_signed()]);
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(libc::IFF_UP)?;
    // SAFETY: SIOCSIFFLAGS reads an ifreq, which lives through the call.
    let answer = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    if answer != 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    Ok(())
}
