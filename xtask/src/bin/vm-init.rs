//! Process 1 of a test VM: mounts, loads modules, runs one job and powers off.
//!
//! What to do is in the file `/job` of the initramfs (NUL-terminated `key value` entries, in the
//! order in which they are done). What it has to say goes to the second serial line, each line
//! beginning with `@@ `; the job's own output goes there too, whole lines at a time. Kernel messages
//! stay on the first. Must not depend on anything but libc. A step that fails is said and the rest
//! is done; without `/job` it powers off.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "standard streams are the kernel's console here"
)]

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Error, Write as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const JOB: &str = "/job";
const RESULTS: &str = "/dev/ttyS1";
/// Says to the host that this kernel still runs.
const HEARTBEAT: Duration = Duration::from_secs(5);
const DEFAULT_LIMIT: Duration = Duration::from_secs(600);
/// How long output may still come from processes the job left behind.
const AFTER_JOB: Duration = Duration::from_secs(2);

type Results = Arc<Mutex<File>>;

fn main() {
    let booted = Instant::now();
    if std::process::id() != 1 {
        eprintln!("vm-init is process 1 of a test VM and does nothing elsewhere");
        return;
    }
    let mut complaints = mount_all();
    match results() {
        Ok(results) => {
            if let Err(error) = work(&results, booted, &mut complaints) {
                say(&results, &format!("trouble {error}"));
            }
            say(&results, "off");
        }
        Err(error) => println!("vm-init: {RESULTS}: {error}"),
    }
    power_off();
}

fn work(results: &Results, booted: Instant, complaints: &mut Vec<String>) -> io::Result<()> {
    let text = fs::read(JOB)?;
    let mut job = Job::default();
    for entry in text
        .split(|byte| *byte == 0)
        .filter(|entry| !entry.is_empty())
    {
        let entry = String::from_utf8_lossy(entry);
        let (key, value) = entry.split_once(' ').unwrap_or((&entry, ""));
        match key {
            "module" => complaints.extend(
                load_module(value)
                    .err()
                    .map(|error| format!("module {value}: {error}")),
            ),
            "tracefs" => complaints.extend(mount("tracefs", "/sys/kernel/tracing").err()),
            "limit" => job.limit = value.parse().ok().map(Duration::from_secs),
            "env" => job.env.extend(
                value
                    .split_once('=')
                    .map(|(name, value)| (name.to_owned(), value.to_owned())),
            ),
            "arg" => job.args.push(value.to_owned()),
            _ => complaints.push(format!("unknown entry {key}")),
        }
    }
    complaints.extend(
        loopback_up()
            .err()
            .map(|error| format!("loopback: {error}")),
    );
    for complaint in complaints.drain(..) {
        say(results, &format!("trouble {complaint}"));
    }
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    say(
        results,
        &format!(
            "ready {} {:.2}",
            release.trim(),
            booted.elapsed().as_secs_f64()
        ),
    );
    if !job.args.is_empty() {
        run(results, &job)?;
    }
    Ok(())
}

#[derive(Default)]
struct Job {
    args: Vec<String>,
    env: Vec<(String, String)>,
    limit: Option<Duration>,
}

/// Runs the job to its end or limit, reaping whatever else ends meanwhile.
fn run(results: &Results, job: &Job) -> io::Result<()> {
    let (read, write) = io::pipe()?;
    let mut command = Command::new(&job.args[0]);
    command
        .args(&job.args[1..])
        .env_clear()
        .env("PATH", "/bin:/sbin:/usr/bin:/usr/sbin")
        .env("HOME", "/root")
        .env("TERM", "dumb")
        .envs(job.env.iter().map(|(name, value)| (name, value)))
        .current_dir("/root")
        .stdin(Stdio::null())
        .stdout(write.try_clone()?)
        .stderr(write)
        .process_group(0);
    let started = Instant::now();
    let child = match command.spawn() {
        Ok(child) => i32::try_from(child.id()).unwrap_or(i32::MAX),
        Err(error) => {
            say(
                results,
                &format!("exit 127 0 cannot start {}: {error}", job.args[0]),
            );
            return Ok(());
        }
    };
    drop(command);
    let sink = results.clone();
    let copier = std::thread::spawn(move || copy_lines(BufReader::new(read), &sink));
    let limit = job.limit.unwrap_or(DEFAULT_LIMIT);
    let mut heard = Instant::now();
    let status = loop {
        match reap() {
            Some((pid, status)) if pid == child => break Some(status),
            Some(_) => continue,
            None => {}
        }
        if started.elapsed() > limit {
            break None;
        }
        if heard.elapsed() > HEARTBEAT {
            heard = Instant::now();
            say(results, "alive");
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let seconds = started.elapsed().as_secs_f64();
    // SAFETY: no pointers; the group is the job's own.
    unsafe { libc::kill(-child, libc::SIGKILL) };
    let ended = Instant::now();
    while !copier.is_finished() && ended.elapsed() < AFTER_JOB {
        std::thread::sleep(Duration::from_millis(10));
    }
    let verdict = match status {
        None => format!("limit {seconds:.2}"),
        Some(status) if libc::WIFEXITED(status) => {
            format!("exit {} {seconds:.2}", libc::WEXITSTATUS(status))
        }
        Some(status) => format!("signal {} {seconds:.2}", libc::WTERMSIG(status)),
    };
    say(results, &verdict);
    Ok(())
}

/// One process that ended, if any.
fn reap() -> Option<(i32, i32)> {
    let mut status = 0;
    // SAFETY: the pointer is to a live integer.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
    (pid > 0).then_some((pid, status))
}

/// Whole lines, so that nothing of init's own gets into the middle of one.
fn copy_lines(mut from: impl io::BufRead, to: &Results) {
    let mut line = Vec::new();
    while from
        .read_until(b'\n', &mut line)
        .is_ok_and(|length| length > 0)
    {
        if line.last() != Some(&b'\n') {
            line.push(b'\n');
        }
        if let Ok(mut to) = to.lock() {
            // No one else can receive it.
            let _ = to.write_all(&line);
        }
        line.clear();
    }
}

fn say(results: &Results, text: &str) {
    if let Ok(mut results) = results.lock() {
        // No one else can receive it.
        let _ = results.write_all(format!("@@ {text}\n").as_bytes());
    }
}

/// The second serial line, which changes no byte.
fn results() -> io::Result<Results> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOCTTY)
        .open(RESULTS)?;
    // SAFETY: termios is plain data; the descriptor is open and the pointers are to a live value.
    unsafe {
        let mut settings: libc::termios = std::mem::zeroed();
        if libc::tcgetattr(file.as_raw_fd(), &raw mut settings) == 0 {
            libc::cfmakeraw(&raw mut settings);
            libc::tcsetattr(file.as_raw_fd(), libc::TCSANOW, &raw const settings);
        }
    }
    Ok(Arc::new(Mutex::new(file)))
}

/// The file systems a Linux host has; what could not be mounted is returned.
fn mount_all() -> Vec<String> {
    [
        ("proc", "/proc"),
        ("sysfs", "/sys"),
        ("devtmpfs", "/dev"),
        ("tmpfs", "/tmp"),
        ("tmpfs", "/run"),
        ("cgroup2", "/sys/fs/cgroup"),
        ("bpf", "/sys/fs/bpf"),
        ("securityfs", "/sys/kernel/security"),
    ]
    .into_iter()
    .filter_map(|(kind, place)| mount(kind, place).err())
    .collect()
}

fn mount(kind: &str, place: &str) -> Result<(), String> {
    let failed = |error: Error| format!("mount {kind} at {place}: {error}");
    if !fs::exists(place).unwrap_or(false) {
        fs::create_dir_all(place).map_err(failed)?;
    }
    let (kind_text, place_text) = (CString::new(kind), CString::new(place));
    let (Ok(kind_text), Ok(place_text)) = (kind_text, place_text) else {
        return Err(format!("mount {kind} at {place}: a NUL in the name"));
    };
    // SAFETY: the strings end with NUL and outlive the call; no data is passed.
    let done = unsafe {
        libc::mount(
            kind_text.as_ptr(),
            place_text.as_ptr(),
            kind_text.as_ptr(),
            0,
            std::ptr::null(),
        )
    };
    if done == 0 {
        Ok(())
    } else {
        Err(failed(Error::last_os_error()))
    }
}

/// A module that is there already is not an error.
fn load_module(path: &str) -> io::Result<()> {
    let file = File::open(path)?;
    // SAFETY: the descriptor is open and the parameters are an empty string.
    let done = unsafe { libc::syscall(libc::SYS_finit_module, file.as_raw_fd(), c"".as_ptr(), 0) };
    match Error::last_os_error() {
        _ if done == 0 => Ok(()),
        error if error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
        error => Err(error),
    }
}

fn loopback_up() -> io::Result<()> {
    // SAFETY: no pointers.
    let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 {
        return Err(Error::last_os_error());
    }
    // SAFETY: the descriptor was just made and belongs to nobody else.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    // SAFETY: ifreq is plain data.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = libc::c_char::from_ne_bytes([*from]);
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: the pointer is to a live ifreq, which is what the request takes.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw mut request) };
    if done == 0 {
        Ok(())
    } else {
        Err(Error::last_os_error())
    }
}

fn power_off() -> ! {
    // SAFETY: neither call takes a pointer.
    unsafe {
        libc::sync();
        libc::reboot(libc::RB_POWER_OFF);
    }
    // Ending would be a kernel panic.
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}
