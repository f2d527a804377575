//! A binary that has more rights than its user, by file capabilities or by set-user-id, opens no file
//! that the user may not open, and says nothing about one.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::kit::{Scenario, World, scenarios};
use super::robustness::spawned;

/// Of nobody.
const NOBODY: u32 = 65_534;
/// CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE, CAP_SYSLOG, CAP_PERFMON, CAP_BPF: the documented ones.
const DOCUMENTED: u64 = 1 << 2 | 1 << 19 | 1 << 34 | 1 << 38 | 1 << 39;

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![
        with_file_capabilities_no_file_of_another_user_is_read,
        set_user_id_root_no_file_of_another_user_is_read,
    ]
}

/// A directory that everybody may enter, with a copy of the tracer, a recording that root alone may
/// read, and a directory that root alone may enter.
struct Stage {
    directory: PathBuf,
    binary: PathBuf,
}

impl Stage {
    /// `None` without a tracer.
    fn new(world: &World, name: &str) -> Option<Self> {
        let original = world.binary()?;
        let directory = std::env::temp_dir().join(format!("tcptrace-{name}-{}", world.netns));
        std::fs::create_dir(&directory).expect("a directory");
        let mode = |path: &Path, mode| {
            std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("its mode");
        };
        mode(&directory, 0o755);
        let binary = directory.join("tcptrace");
        std::fs::copy(original, &binary).expect("copy the tracer");
        mode(&binary, 0o755);
        let private = directory.join("private");
        std::fs::create_dir(&private).expect("a directory");
        mode(&private, 0o700);
        std::fs::write(private.join("there"), "sentinel").expect("a file");
        let stage = Self { directory, binary };
        let recording = stage.path("root.rec");
        let made = stage.run(
            None,
            &["record", "--quiet", "--duration", "300ms", "-o", &recording],
        );
        world.claim_eq("root records", made.status.code(), Some(0));
        let read = stage.run(None, &["replay", "--json", &recording]);
        world.claim_eq("root replays", read.status.code(), Some(0));
        let open = stage.path("open.rec");
        std::fs::copy(&recording, &open).expect("copy the recording");
        mode(Path::new(&open), 0o644);
        Some(stage)
    }

    fn path(&self, name: &str) -> String {
        let path = self.directory.join(name);
        path.to_str().expect("a path in UTF-8").to_owned()
    }

    fn run(&self, user: Option<u32>, words: &[&str]) -> Output {
        // Not in the namespace of the host: entering it takes a right that nobody has.
        let mut command = Command::new(&self.binary);
        command.args(words);
        if let Some(user) = user {
            command.uid(user).gid(user);
        }
        command.stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        spawned(&mut command)
            .wait_with_output()
            .expect("the tracer's output")
    }

    /// The output of user nobody on both streams, without the name of the file.
    fn reported(&self, words: &[&str], name: &str) -> (Option<i32>, String) {
        let output = self.run(Some(NOBODY), words);
        let errors = [output.stdout, output.stderr].concat();
        let errors = String::from_utf8_lossy(&errors).replace(name, "NAME");
        (output.status.code(), errors)
    }

    fn reveals_nothing(&self, world: &World) {
        let recording = self.path("root.rec");
        for words in [
            &["replay", "--json", &recording][..],
            &["report", &recording, "-o", "-"],
        ] {
            let (code, errors) = self.reported(words, "root.rec");
            let is_refused = code == Some(1)
                && errors.starts_with("tcptrace: ")
                && errors.lines().count() == 1
                && errors.contains("ermission denied");
            world.claim(
                &format!("refused: {words:?}: {code:?} {errors}"),
                is_refused,
            );
        }
        let open = self.path("open.rec");
        let read = self.reported(&["replay", "--json", &open], "open.rec");
        world.claim_eq("what anybody may read is read", read.0, Some(0));
        let own = self.path("own.rec");
        // Every word of the command line that names a file: `cli::phases` has the list.
        for before in [
            &["replay"][..],
            &["report", "-o", "-"],
            &["report", &open, "-o"],
            &["doctor", "--btf"],
            &["man", "--all"],
            &["record", "--duration", "1s", "-o"],
            &["record", "--duration", "1s", "-o", &own, "--ready-file"],
            &["watch", "--quiet", "--duration", "1s", "--record"],
            &["watch", "--quiet", "--duration", "1s", "--ready-file"],
            &["listeners", "--watch", "0.2", "--ready-file"],
            &["states", "--watch", "0.2", "--ready-file"],
            &["timewait", "--watch", "0.2", "--ready-file"],
            &["states", "--config"],
            &["explain", "--config"],
        ] {
            let answer = |name: &str| {
                let path = self.path(&format!("private/{name}"));
                let words: Vec<&str> = before.iter().copied().chain([&*path]).collect();
                self.reported(&words, name)
            };
            let (there, absent) = (answer("there"), answer("absent"));
            world.claim_eq(&format!("no difference by {before:?}"), &there, &absent);
            let is_refused = there.0 == Some(1) && there.1.contains("ermission denied");
            world.claim(&format!("refused: {before:?}: {there:?}"), is_refused);
        }
        let left: Vec<_> = std::fs::read_dir(self.directory.join("private"))
            .expect("the directory")
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        world.claim_eq("nothing was made there", left, vec!["there".into()]);
        let kept = std::fs::read_to_string(self.path("private/there")).expect("the file");
        world.claim_eq("nothing was written there", kept.as_str(), "sentinel");
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.directory));
    }
}

/// What setcap does: version 2 of the attribute, effective, the low words first.
fn give_capabilities(binary: &Path, capabilities: u64) -> std::io::Result<()> {
    let words = [
        0x0200_0001_u32,
        capabilities as u32,
        0,
        (capabilities >> 32) as u32,
        0,
    ];
    let value: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let path = CString::new(binary.as_os_str().as_bytes())?;
    let name = c"security.capability".as_ptr();
    // SAFETY: NUL-terminated strings, and a value of the length given, all of which outlive the call.
    let answer =
        unsafe { libc::setxattr(path.as_ptr(), name, value.as_ptr().cast(), value.len(), 0) };
    if answer == 0 {
        Ok(())
    } else {
        Err(std::io::Error::last_os_error())
    }
}

fn with_file_capabilities_no_file_of_another_user_is_read(world: &World) {
    let Some(stage) = Stage::new(world, "setcap") else {
        return;
    };
    if let Err(error) = give_capabilities(&stage.binary, DOCUMENTED) {
        world.cannot(&format!("no file capabilities here: {error}"));
        return;
    }
    let works = stage.run(Some(NOBODY), &["watch", "--quiet", "--duration", "300ms"]);
    if works.status.code() != Some(0) {
        let errors = String::from_utf8_lossy(&works.stderr).into_owned();
        world.cannot(&format!("file capabilities have no effect here: {errors}"));
        return;
    }
    stage.reveals_nothing(world);
}

fn set_user_id_root_no_file_of_another_user_is_read(world: &World) {
    let Some(stage) = Stage::new(world, "setuid") else {
        return;
    };
    let mode = PermissionsExt::from_mode(0o4755);
    std::fs::set_permissions(&stage.binary, mode).expect("its mode");
    let words = [
        "watch",
        "--quiet",
        "--no-header",
        "--only",
        "paws_drop",
        "--",
        "id",
        "-u",
    ];
    let works = stage.run(Some(NOBODY), &words);
    if works.status.code() == Some(3) {
        world.cannot("set-user-id has no effect here");
        return;
    }
    let id = String::from_utf8_lossy(&works.stdout).into_owned();
    world.claim_eq("the command runs as its user", id.trim(), "65534");
    stage.reveals_nothing(world);
}
