//! A real terminal: a tmux server of one scenario, with one window, whose screen can be read and whose
//! keyboard can be typed on.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use super::world::World;

/// See the module. The server ends with it.
pub(crate) struct Tmux<'a> {
    world: &'a World,
    socket: String,
    /// For what the window's commands leave behind.
    pub(crate) directory: PathBuf,
}

impl<'a> Tmux<'a> {
    /// A window of that size in the host's namespace, in which bash runs `script`; `None` without
    /// tmux. In the script `$D` is [`Self::directory`].
    pub(crate) fn start(world: &'a World, size: (u16, u16), script: &str) -> Option<Self> {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let socket = format!("tcptrace-live-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(&socket);
        std::fs::create_dir_all(&directory).expect("a directory");
        let tmux = Self {
            world,
            socket,
            directory,
        };
        let (columns, rows) = (size.0.to_string(), size.1.to_string());
        let words = [
            "new-session",
            "-d",
            "-x",
            &columns,
            "-y",
            &rows,
            "bash",
            "-c",
            script,
        ];
        let started = tmux.command(&words).output();
        if started.is_err() {
            world.cannot("there is no tmux here");
            return None;
        }
        let output = started.expect("tmux ran");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tmux: {errors}");
        Some(tmux)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.world.host_command(Path::new("tmux"));
        // -u: it draws UTF-8 whatever the locale.
        command
            .args(["-u", "-f", "/dev/null", "-L", &self.socket])
            .args(words)
            .env_remove("TMUX")
            .env("LC_ALL", "C.UTF-8")
            .env("D", &self.directory);
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("tmux runs")
    }

    /// What is on the screen.
    pub(crate) fn screen(&self) -> String {
        let output = self.run(&["capture-pane", "-p"]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Whether the cursor is shown, the mouse is listened to, the other screen is on: `1 0 0` is how
    /// a shell has it.
    pub(crate) fn modes(&self) -> String {
        let form = "#{cursor_flag} #{mouse_any_flag} #{alternate_on}";
        let output = self.run(&["display-message", "-p", form]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Types a key by tmux's name of it, or a text.
    pub(crate) fn hit(&self, key: &str) {
        self.run(&["send-keys", key]);
    }

    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        let (columns, rows) = (columns.to_string(), rows.to_string());
        self.run(&["resize-window", "-x", &columns, "-y", &rows]);
    }

    /// Waits until the screen shows all of these; the claim fails with the screen as it is then.
    pub(crate) fn shows(&self, label: &str, texts: &[&str]) {
        let mut screen = String::new();
        let holds = super::world::poll(super::world::PATIENCE, || {
            screen = self.screen();
            texts.iter().all(|text| screen.contains(text))
        });
        self.world
            .claim(&format!("{label}: {texts:?} on\n{screen}"), holds);
    }

    /// What is in a file of the directory, once it is there and whole (ends with a line end).
    pub(crate) fn left(&self, name: &str) -> String {
        let path = self.directory.join(name);
        let mut text = String::new();
        let holds = super::world::poll(super::world::PATIENCE, || {
            text = std::fs::read_to_string(&path).unwrap_or_default();
            text.ends_with('\n')
        });
        let screen = if holds { String::new() } else { self.screen() };
        self.world.claim(
            &format!("{name} is written; on the screen:\n{screen}"),
            holds,
        );
        text
    }
}

impl Drop for Tmux<'_> {
    fn drop(&mut self) {
        let _ = self.command(&["kill-server"]).output();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
