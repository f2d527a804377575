//! What a VM finds in its root directory: init, the programs under test, the host's network tools
//! with their libraries, the kernel's modules, and the job.
//!
//! Everything is read from the host and nothing is changed there. A tool that the host lacks is left
//! out and said; scenarios that need it say so themselves.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::cpio::Archive;
use super::payload::{self, Payload};
use crate::kernels::Kernel;

/// What scenarios and people at the VM use. busybox only when it is static and brings a shell.
const TOOLS: [&str; 5] = ["ip", "tc", "ss", "nft", "busybox"];

/// What scenarios, `ss`, `tc` and `nft` ask the kernel for; loaded because nothing in the VM does
/// it on demand. Names that are built in are passed over.
const MODULES: [&str; 16] = [
    "inet_diag",
    "tcp_diag",
    "veth",
    "dummy",
    "sch_netem",
    "sch_tbf",
    "sch_prio",
    "cls_u32",
    "nf_tables",
    "nft_ct",
    "nft_counter",
    "nft_reject_inet",
    "nft_limit",
    "nft_compat",
    "bridge",
    "tls",
];

/// One thing to run in the VM.
#[derive(Clone, Debug, Default)]
pub(super) struct Job {
    pub(super) args: Vec<String>,
    pub(super) env: Vec<(String, String)>,
    pub(super) limit_seconds: u64,
    pub(super) tracefs: bool,
}

/// A file of the host and where the VM has it.
#[derive(Clone, Debug)]
pub(crate) struct Added {
    host: PathBuf,
    vm: String,
}

impl std::str::FromStr for Added {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.rsplit_once(':') {
            Some((host, vm)) if !host.is_empty() && vm.starts_with('/') => Ok(Self {
                host: host.into(),
                vm: vm.to_owned(),
            }),
            _ => Err(format!("`{text}` is not HOSTPATH:/VMPATH")),
        }
    }
}

/// What is the same for every kernel, read once.
pub(super) struct Root {
    bytes: Vec<u8>,
    /// True when the VM has `/bin/sh`.
    pub(super) has_shell: bool,
}

impl Root {
    pub(super) fn build(payload: &Payload, added: &[Added]) -> Result<Self> {
        let mut archive = Archive::default();
        for directory in ["/proc", "/sys", "/run", "/root", "/dev", "/etc", "/var/run"] {
            archive.directory(directory);
        }
        // /tmp is made by init, as a file system of its own.
        archive.device("/dev/console", 5, 1);
        archive.file("/etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n");
        archive.file("/etc/group", b"root:x:0:\n");
        archive.program("/init", &read(&payload.init)?);
        archive.program("/bin/tcptrace", &read(&payload.tcptrace)?);
        archive.program("/bin/root_live", &read(&payload.root_live)?);
        let mut has_shell = false;
        for tool in TOOLS {
            let Some(files) = payload::with_libraries(tool)? else {
                println!("vm: this host has no {tool}, so the VM has none");
                continue;
            };
            if tool == "busybox" {
                // A dynamic one lacks what makes it worth having.
                if files.len() == 1 {
                    archive.program("/bin/busybox", &read(&files[0])?);
                    for applet in [
                        "sh", "cat", "ls", "dmesg", "grep", "sleep", "head", "mount", "wc", "ps",
                        "kill",
                    ] {
                        archive.link(&format!("/bin/{applet}"), "busybox");
                    }
                    has_shell = true;
                }
                continue;
            }
            archive.program(&format!("/bin/{tool}"), &read(&files[0])?);
            for library in &files[1..] {
                archive.program(&library.to_string_lossy(), &read(library)?);
            }
        }
        for one in added {
            archive.program(&one.vm, &read(&one.host)?);
        }
        Ok(Self {
            bytes: archive.finish(),
            has_shell,
        })
    }

    /// The initramfs for one kernel and one job, written to `file`.
    pub(super) fn write(&self, kernel: &Kernel, job: &Job, file: &Path) -> Result<()> {
        let mut archive = Archive::default();
        let mut entries = Vec::new();
        for module in kernel.modules(&MODULES)? {
            let path = format!("/modules/{}.ko", module.name);
            archive.file(&path, &module.elf);
            entries.push(("module", path));
        }
        entries.extend(job.tracefs.then(|| ("tracefs", String::new())));
        entries.push(("limit", job.limit_seconds.to_string()));
        let env = job
            .env
            .iter()
            .map(|(name, value)| ("env", format!("{name}={value}")));
        entries.extend(env);
        entries.extend(job.args.iter().map(|arg| ("arg", arg.clone())));
        archive.file("/job", &job_file(&entries)?);
        let mut bytes = self.bytes.clone();
        bytes.extend(archive.finish());
        fs::write(file, bytes).with_context(|| format!("cannot write {}", file.display()))
    }
}

/// `key value` entries, each ended by NUL.
fn job_file(entries: &[(&str, String)]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for (key, value) in entries {
        if value.contains('\0') {
            bail!("an argument has a NUL in it");
        }
        bytes.extend(format!("{key} {value}\0").bytes());
    }
    Ok(bytes)
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_keeps_spaces_and_lines_of_its_arguments() {
        let bytes = job_file(&[("arg", "a b\nc".to_owned()), ("arg", String::new())]).unwrap();
        assert_eq!(bytes, b"arg a b\nc\0arg \0");
        assert!(job_file(&[("arg", "\0".to_owned())]).is_err());
    }

    #[test]
    fn an_added_file_has_an_absolute_place() {
        assert!("a:/b".parse::<Added>().is_ok());
        assert!("a:b".parse::<Added>().is_err());
        assert!("/a".parse::<Added>().is_err());
    }
}
