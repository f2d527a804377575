//! With which privileges tracing works, and what is said without them. Each tracer starts a command
//! whose connection is refused, which it must report.

use std::io;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::kit::expect::field;
use super::kit::{Expect, Scenario, World, confine, scenarios, sys_ops, verdict};

const NET_ADMIN: u8 = 12;
const PERFMON: u8 = 38;
const BPF: u8 = 39;

/// What the traced command returns, and the tracer then too.
const CODE: &str = "7";

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![
        three_capabilities_are_enough,
        two_capabilities_are_enough,
        without_bpf_it_is_named,
        without_perfmon_it_is_named,
        doctor_names_what_is_missing_too,
        root_of_a_user_namespace_is_sent_to_the_host,
        in_a_pid_namespace_pids_are_those_of_its_proc,
        in_a_time_namespace_times_and_processes_are_those_of_the_host,
        a_control_group_with_too_little_memory_is_an_error,
        without_tracefs_nothing_changes,
        lockdown_is_named_where_it_refuses,
    ]
}

/// Words for a tracer whose command connects to a port that refuses.
struct Refused {
    words: Vec<String>,
    to: SocketAddr,
}

impl Refused {
    fn new(world: &World) -> Self {
        let server = world.actor("pv-server");
        let refusing = server.describe(server.bound("127.0.9.9:0"));
        server.close(refusing);
        let own = std::env::current_exe().expect("own path");
        let own = own.to_str().expect("a path in UTF-8");
        let to = refusing.local.to_string();
        let words = [
            "watch",
            "--json",
            "--",
            own,
            "--actor-once",
            "pv-command",
            &to,
            CODE,
        ];
        Self {
            words: words.map(str::to_owned).to_vec(),
            to: refusing.local,
        }
    }

    /// The event about it; claims that there is one, and that the command's code is returned.
    fn reported(&self, world: &World, output: &Output) -> Option<Value> {
        let errors = String::from_utf8_lossy(&output.stderr);
        let code = output.status.code();
        world.claim(
            &format!("code {CODE}, got {code:?}: {errors}"),
            code == CODE.parse().ok(),
        );
        let expected = Expect::new("rst_received")
            .is("meaning", "refused")
            .is("owner.comm", "pv-command")
            .remote(self.to);
        let events = verdict::objects(&output.stdout);
        let event = events.iter().find(|event| expected.matches(event));
        world.claim(
            &format!("its refused connection is reported: {events:?}"),
            event.is_some(),
        );
        event.cloned()
    }
}

/// A tracer that is changed before it starts; `None` = there is no tracer, or it cannot be changed
/// so on this machine, which is noted.
fn output(
    world: &World,
    words: &[impl AsRef<str>],
    change: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
) -> Option<Output> {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    let mut command = world.command_here(&words)?;
    // SAFETY: the changes are system calls that allocate nothing.
    unsafe { command.pre_exec(change) };
    finished(world, &mut command)
}

fn finished(world: &World, command: &mut Command) -> Option<Output> {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    match child {
        Ok(child) => Some(child.wait_with_output().expect("the tracer's output")),
        Err(error) => {
            world.note(format!("cannot be arranged here: {error}"));
            None
        }
    }
}

/// Before the capabilities are gone.
fn with_only(capabilities: &'static [u8]) -> impl FnMut() -> io::Result<()> + Send + Sync {
    move || {
        confine::lock_any_memory();
        confine::keep_only(capabilities)
    }
}

fn are_enough(world: &World, capabilities: &'static [u8]) {
    let refused = Refused::new(world);
    if let Some(output) = output(world, &refused.words, with_only(capabilities)) {
        refused.reported(world, &output);
    }
}

fn three_capabilities_are_enough(world: &World) {
    are_enough(world, &[BPF, PERFMON, NET_ADMIN]);
}

fn two_capabilities_are_enough(world: &World) {
    are_enough(world, &[BPF, PERFMON]);
}

/// Code 3, no data, and a message with what is missing and a way out.
fn is_refused(world: &World, output: &Output, missing: &str) {
    let errors = String::from_utf8_lossy(&output.stderr);
    let code = output.status.code();
    world.claim(&format!("code 3, got {code:?}: {errors}"), code == Some(3));
    let first = errors.lines().next().unwrap_or_default();
    world.claim(
        &format!("{missing} is named: {errors}"),
        first.contains(missing),
    );
    let setcap = errors
        .lines()
        .any(|line| line.starts_with("sudo setcap cap_bpf,cap_perfmon,") && line.contains("=ep /"));
    world.claim(&format!("the way out is reported: {errors}"), setcap);
}

fn without(world: &World, capabilities: &'static [u8], missing: &str) {
    let words = ["watch", "--json", "--duration", "1s"];
    if let Some(output) = output(world, &words, with_only(capabilities)) {
        is_refused(world, &output, missing);
        world.claim("nothing is printed as data", output.stdout.is_empty());
    }
}

fn without_bpf_it_is_named(world: &World) {
    without(world, &[PERFMON, NET_ADMIN], "missing: CAP_BPF");
}

fn without_perfmon_it_is_named(world: &World) {
    without(world, &[BPF, NET_ADMIN], "missing: CAP_PERFMON");
}

fn doctor_names_what_is_missing_too(world: &World) {
    let Some(output) = output(world, &["doctor", "--hooks"], with_only(&[PERFMON])) else {
        return;
    };
    is_refused(world, &output, "missing: CAP_BPF");
    let page = String::from_utf8_lossy(&output.stdout);
    let reported = page
        .lines()
        .any(|line| line.contains("CAP_BPF") && line.contains("required"));
    world.claim(&format!("it stands in the report: {page}"), reported);
}

fn root_of_a_user_namespace_is_sent_to_the_host(world: &World) {
    let words = ["watch", "--json", "--duration", "1s"];
    let change = || sys_ops::unshare(libc::CLONE_NEWUSER);
    let Some(output) = output(world, &words, change) else {
        return;
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    world.claim_eq("exit code", output.status.code(), Some(3));
    let reported = errors.contains("user namespace") && errors.contains("run on the host");
    world.claim(&format!("it is reported where to run: {errors}"), reported);
}

fn in_a_pid_namespace_pids_are_those_of_its_proc(world: &World) {
    let refused = Refused::new(world);
    let Some(binary) = world.binary() else { return };
    let mut command = Command::new(std::env::current_exe().expect("own path"));
    command
        .arg("--in-pid-namespace")
        .arg(binary)
        .args(&refused.words);
    let Some(output) = finished(world, &mut command) else {
        return;
    };
    if let Some(event) = refused.reported(world, &output) {
        let pid = field(&event, "owner.pid").as_u64();
        let own = u64::from(std::process::id());
        // The tracer is process 1 there, and its threads have the next numbers.
        world.claim(
            &format!("a low number, not one of ours (we are {own}): {pid:?}"),
            pid.is_some_and(|pid| (2..own.min(100)).contains(&pid)),
        );
    }
}

/// There the boot clock and the starts of processes in /proc are others than the kernel's own.
fn in_a_time_namespace_times_and_processes_are_those_of_the_host(world: &World) {
    let refused = Refused::new(world);
    let Some(binary) = world.binary() else { return };
    // Not a whole number of ticks.
    for offset in ["8640001", "-1"] {
        let mut command = Command::new("unshare");
        command.args(["--time", "--boottime", offset, "--fork", "--"]);
        // It lives until /proc has been read.
        command.arg(binary).args(&refused.words).arg("500");
        let before = wall_seconds();
        let Some(output) = finished(world, &mut command) else {
            return;
        };
        let Some(event) = refused.reported(world, &output) else {
            return;
        };
        let own = std::env::current_exe().expect("own path");
        world.claim_eq(
            "the executable, which only /proc shows",
            field(&event, "owner.exe").as_str(),
            own.to_str(),
        );
        let reported = field(&event, "ts").as_str().map(str::to_owned);
        let reported = reported.and_then(|text| text.parse::<jiff::Timestamp>().ok());
        let is_now = reported
            .is_some_and(|reported| (before..=wall_seconds()).contains(&reported.as_second()));
        world.claim(
            &format!("the time of day: {reported:?}, it is {before}"),
            is_now,
        );
    }
}

/// Since 1970.
fn wall_seconds() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// The kernel would kill it, which explains nothing.
fn a_control_group_with_too_little_memory_is_an_error(world: &World) {
    let name = format!("tcptrace-small-{}", world.netns);
    let mounted = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup"].map(std::path::Path::new);
    let group = mounted
        .map(|mounted| mounted.join(&name))
        .into_iter()
        .find(|group| {
            let limits = ["memory.limit_in_bytes", "memory.max"].map(|file| group.join(file));
            let is_made = std::fs::create_dir(group).is_ok();
            let is_set = is_made
                && limits
                    .iter()
                    .any(|file| std::fs::write(file, "20971520").is_ok());
            if is_made && !is_set {
                drop(std::fs::remove_dir(group));
            }
            is_set
        });
    let Some(group) = group else {
        return world.cannot("no control group for memory can be made here");
    };
    let members = std::fs::File::options()
        .write(true)
        .open(group.join("cgroup.procs"));
    let members = members.expect("the group's members");
    let words = ["watch", "--json", "--duration", "1s"];
    let enter = move || io::Write::write_all(&mut &members, b"0");
    let output = output(world, &words, enter);
    if let Some(output) = output {
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        world.claim_eq(&errors, output.status.code(), Some(1));
        let is_explained = errors.contains(&name) && errors.contains("20 MB");
        world.claim(&format!("the reason is printed: {errors}"), is_explained);
    }
    std::fs::remove_dir(&group).expect("the group is empty again");
}

fn without_tracefs_nothing_changes(world: &World) {
    let refused = Refused::new(world);
    let change = || {
        confine::own_mounts()?;
        for target in [
            c"/sys/kernel/tracing",
            c"/sys/kernel/debug/tracing",
            c"/sys/kernel/debug",
        ] {
            confine::detach(target);
        }
        Ok(())
    };
    if let Some(output) = output(world, &refused.words, change) {
        refused.reported(world, &output);
    }
}

/// Only where this machine was booted so; elsewhere it is the mechanics that count.
fn lockdown_is_named_where_it_refuses(world: &World) {
    let lockdown = std::fs::read_to_string("/sys/kernel/security/lockdown").unwrap_or_default();
    let is_locked = lockdown.contains("[confidentiality]");
    let words = ["watch", "--json", "--duration", "1s"];
    let Some(output) = output(world, &words, || Ok(())) else {
        return;
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    let named = errors.contains("lockdown=confidentiality") && errors.contains("boot with");
    world.claim_eq("it is named exactly where it is on", named, is_locked);
    let code = if is_locked { 3 } else { 0 };
    world.claim_eq("exit code", output.status.code(), Some(code));
}
