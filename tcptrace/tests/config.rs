//! Configuration files, as a user has them; nothing here needs a privilege.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use assert_cmd::Command;

/// A directory of configurations, removed at the end.
struct Home(PathBuf);

impl Home {
    fn new(name: &str, text: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("tcptrace-config-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("tcptrace.toml"), text).unwrap();
        fs::set_permissions(path.join("tcptrace.toml"), Permissions::from_mode(0o644)).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("tcptrace.toml")
    }

    fn run(&self, words: &[&str]) -> (Option<i32>, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_tcptrace"))
            .args(words)
            .env("XDG_CONFIG_HOME", &self.0)
            .env("TZ", "UTC")
            .timeout(Duration::from_secs(30))
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    }

    /// The lines of the recording, and what is said on stderr.
    fn replay(&self, words: &[&str]) -> (Vec<String>, String) {
        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixture/recordings/v1.rec");
        let kept = kept.to_string_lossy().into_owned();
        let (code, lines, said) = self.run(&[&["replay", "-q", &kept], words].concat());
        assert_eq!(code, Some(0), "{words:?}: {said}");
        (lines.lines().map(str::to_owned).collect(), said)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

#[test]
fn defaults_come_from_the_file_and_the_command_line_wins() {
    let home = Home::new(
        "wins",
        "[output]\ntime = \"relative\"\nno-header = true\n[filter]\ncomm = [\"curl\", \"none\"]\nexcept = \"state\"\n\
         [replay]\ntime = \"epoch\"\n",
    );
    let (lines, said) = home.replay(&[]);
    assert_eq!(lines.len(), 2, "{lines:?}");
    // The section of the command has the last word.
    assert!(
        lines[0].starts_with("1700000007.000000 retransmit"),
        "{lines:?}"
    );
    assert!(
        said.contains("filters of") && said.contains("--no-config"),
        "{said}"
    );

    let (lines, _) = home.replay(&[
        "--time",
        "relative",
        "--comm",
        "nginx",
        "--only",
        "state,close",
    ]);
    assert_eq!(lines.len(), 1, "`except` contradicts --only: {lines:?}");
    assert!(
        lines[0].trim_start().starts_with("10.100000 close"),
        "{lines:?}"
    );

    let (lines, said) = home.replay(&["--no-config"]);
    assert_eq!((lines.len(), said.as_str()), (20, ""));
}

#[test]
fn columns_and_folds_of_a_file_do_not_stand_in_each_others_way() {
    let home = Home::new(
        "columns",
        "[output]\nfold = \"always\"\n[replay]\ncolumns = [\"pid\", \"kind\"]\n",
    );
    let (lines, _) = home.replay(&[]);
    assert_eq!(
        lines[0].split_whitespace().collect::<Vec<_>>(),
        ["PID", "KIND"]
    );
    let (lines, _) = home.replay(&["--fold", "always"]);
    assert!(lines[0].contains("DETAIL"), "{lines:?}");
    let (lines, _) = home.replay(&["--json"]);
    assert!(lines[0].starts_with('{'), "{lines:?}");
}

#[test]
fn what_is_wrong_in_a_file_is_a_usage_error_with_its_line() {
    for (text, line, word) in [
        (
            "[output]\n\ncolour = \"never\"\n",
            3,
            "unknown key `colour`",
        ),
        ("[outputs]\n", 1, "unknown section `outputs`"),
        ("[output]\ntime = \"lunch\"\n", 2, "invalid value 'lunch'"),
        ("[filter]\nport = [80, 70000]\n", 2, "70000"),
        ("[states]\nsort = \"notes\"\n", 2, "notes"),
        ("[output]\ntime = \n", 2, ""),
    ] {
        let home = Home::new("wrong", text);
        let (code, stdout, said) = home.run(&["explain"]);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{text}: {said}");
        let place = format!("tcptrace.toml: line {line}: ");
        assert!(
            said.contains(&place) && said.contains(word),
            "{text}: {said}"
        );
        assert_eq!(home.run(&["explain", "--no-config"]).0, Some(0));
    }
}

#[test]
fn a_file_that_others_may_write_is_refused() {
    let home = Home::new("writable", "[output]\nwide = true\n");
    fs::set_permissions(home.file(), Permissions::from_mode(0o664)).unwrap();
    let path = home.file();
    for words in [
        &["explain"][..],
        &["--config", &path.to_string_lossy(), "explain"],
    ] {
        let (code, _, said) = home.run(words);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("0664"), "{said}");
    }
    let (code, _, said) = home.run(&["explain", "--config", "/nonexistent/x.toml"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("/nonexistent/x.toml"), "{said}");
    // What was named by nobody need not be there.
    fs::remove_file(home.file()).unwrap();
    assert_eq!(home.run(&["explain"]).0, Some(0));
}

#[test]
fn doctor_lists_what_files_set() {
    let home = Home::new(
        "doctor",
        "[output]\ntime = \"utc\"\n[filter]\nlport = 4443\n",
    );
    let (_, text, _) = home.run(&["doctor", "--for", "100ms"]);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        text.contains("[output] --time=utc") && text.contains("--lport=4443"),
        "{text}"
    );
    let (_, json, _) = home.run(&["doctor", "--for", "100ms", "--json"]);
    let object: serde_json::Value = serde_json::from_str(&json).unwrap();
    let path = home.file();
    assert_eq!(object["config"][0]["path"], path.to_string_lossy().as_ref());
}
