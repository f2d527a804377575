//! The Debian package: an ar of three members, written here so that building it needs no dpkg.
//!
//! The program is static and depends on nothing. The service is installed and not started. What
//! `dpkg --purge` leaves behind is nothing; see `cargo xtask test deb`, which installs and removes it.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::parts::{Completions, Parts};
use super::tree::{PLAIN, PROGRAM, Tree};
use super::{Release, archive, build};

/// Ours; it grows when the package changes and the program does not.
const REVISION: &str = "1";
const MAINTAINER: &str = "The tcptrace authors <tcptrace@packages.invalid>";
const DEFAULTS: &str = "etc/default/tcptrace";
/// The scripts, from `xtask/packaging/debian`.
const SCRIPTS: [&str; 3] = ["postinst", "postrm", "prerm"];

/// The package's file.
pub(crate) fn file_name(version: &str, target: &str) -> Result<String> {
    Ok(format!(
        "tcptrace_{version}-{REVISION}_{}.deb",
        architecture(target)?
    ))
}

/// Debian's name of a processor.
fn architecture(target: &str) -> Result<&'static str> {
    match build::machine(target)?.as_str() {
        "x86_64-linux" => Ok("amd64"),
        "aarch64-linux" => Ok("arm64"),
        "riscv64gc-linux" => Ok("riscv64"),
        other => bail!("Debian's name for {other} is not known here"),
    }
}

/// The whole package.
pub(super) fn package(parts: &Parts<'_>, target: &str, release: &Release) -> Result<Vec<u8>> {
    let data = data(parts, release)?;
    let control = control(parts, &data, target, release)?;
    let members = [
        ("debian-binary", &b"2.0\n"[..]),
        ("control.tar.gz", &archive::packed(&control, release.epoch)?),
        ("data.tar.gz", &archive::packed(&data, release.epoch)?),
    ];
    Ok(archive::ar(&members, release.epoch))
}

/// What is installed.
fn data(parts: &Parts<'_>, release: &Release) -> Result<Tree> {
    let mut tree = Tree::default();
    tree.add("usr/bin/tcptrace", PROGRAM, parts.program.clone());
    for (page, text) in &parts.texts.manual {
        tree.add_compressed(&format!("usr/share/man/man1/{page}"), text)?;
    }
    let completions = Completions {
        bash: "usr/share/bash-completion/completions/tcptrace",
        zsh: "usr/share/zsh/vendor-completions/_tcptrace",
        fish: "usr/share/fish/vendor_completions.d/tcptrace.fish",
    };
    parts.complete(&mut tree, &completions, str::to_owned);
    let unit = "usr/lib/systemd/system/tcptrace-recorder.service";
    tree.add(unit, PLAIN, parts.unit("/usr/bin")?);
    tree.add(DEFAULTS, PLAIN, parts.defaults()?);
    let doc = |file: &str| format!("usr/share/doc/tcptrace/{file}");
    tree.add(&doc("copyright"), PLAIN, copyright(parts)?);
    tree.add_compressed(&doc("changelog"), &parts.own("CHANGELOG.md")?)?;
    tree.add_compressed(&doc("changelog.Debian"), changes(release)?.as_bytes())?;
    tree.add_compressed(&doc("README.md"), &parts.own("README.md")?)?;
    tree.add(&doc("install.md"), PLAIN, parts.own("docs/install.md")?);
    tree.add_compressed(&doc("THIRD-PARTY.md"), parts.listed.licences.as_bytes())?;
    tree.add_compressed(&doc("sbom.cdx.json"), parts.listed.components.as_bytes())?;
    Ok(tree)
}

/// The control file of the package.
fn control(parts: &Parts<'_>, data: &Tree, target: &str, release: &Release) -> Result<Tree> {
    let mut tree = Tree::default();
    let text = format!(
        "Package: tcptrace\n\
         Version: {}-{REVISION}\n\
         Architecture: {}\n\
         Maintainer: {MAINTAINER}\n\
         Installed-Size: {}\n\
         Section: net\n\
         Priority: optional\n\
         Description: shows, live and by process, why TCP connections die\n \
         tcptrace watches the TCP of a Linux host through eBPF and prints one line per\n \
         incident: resets with their cause, refused connections, full accept queues,\n \
         retransmissions, TIME_WAIT pressure; each with the process that owns the\n \
         socket.\n \
         .\n \
         A flight recorder is included as a systemd service, which is not started on\n \
         installation.\n",
        release.version,
        architecture(target)?,
        data.kibibytes(),
    );
    tree.add("control", PLAIN, text);
    tree.add("conffiles", PLAIN, format!("/{DEFAULTS}\n"));
    tree.add("md5sums", PLAIN, md5sums(data)?);
    for script in SCRIPTS {
        tree.add(
            script,
            PROGRAM,
            parts.own(&format!("xtask/packaging/debian/{script}"))?,
        );
    }
    Ok(tree)
}

/// By which `dpkg --verify` knows the files that are not configuration.
fn md5sums(data: &Tree) -> Result<String> {
    let files = data.0.iter().filter(|(path, _)| *path != DEFAULTS);
    files
        .map(|(path, file)| Ok(format!("{}  {path}\n", md5(&file.content)?)))
        .collect()
}

fn md5(content: &[u8]) -> Result<String> {
    let mut child = Command::new("md5sum")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start `md5sum`")?;
    // It answers only when all is written: no pipe can fill up behind us.
    if let Some(mut input) = child.stdin.take() {
        input
            .write_all(content)
            .context("cannot write to `md5sum`")?;
    }
    let output = child.wait_with_output().context("waiting for `md5sum`")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let sum = text.split_whitespace().next();
    sum.filter(|_| output.status.success())
        .map(str::to_owned)
        .context("`md5sum` gave no sum")
}

/// Debian's own record of the package.
fn changes(release: &Release) -> Result<String> {
    let date = release.date("+%a, %d %b %Y %H:%M:%S %z")?;
    Ok(format!(
        "tcptrace ({}-{REVISION}) unstable; urgency=medium\n\n  \
         * See changelog.gz.\n\n -- {MAINTAINER}  {date}\n",
        release.version
    ))
}

fn copyright(parts: &Parts<'_>) -> Result<String> {
    let mut text = String::from_utf8(parts.own("xtask/packaging/debian/copyright")?)?;
    let mit = String::from_utf8(parts.own("LICENSE-MIT")?)?;
    text.push_str("License: MIT\n");
    text.push_str(&indented(&mit));
    text.push_str(
        "\nLicense: Apache-2.0\n On Debian systems the text is in /usr/share/common-licenses/Apache-2.0.\n\
         \nLicense: GPL-2.0-only\n On Debian systems the text is in /usr/share/common-licenses/GPL-2.\n",
    );
    Ok(text)
}

/// A text as the value of a field, where an empty line is a dot.
fn indented(text: &str) -> String {
    text.lines()
        .map(|line| match line.trim_end() {
            "" => " .\n".to_owned(),
            line => format!(" {line}\n"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_named_as_debian_names_them() {
        let name = |target| file_name("1.2.3", target).unwrap();
        assert_eq!(
            name("x86_64-unknown-linux-gnu"),
            "tcptrace_1.2.3-1_amd64.deb"
        );
        assert_eq!(
            name("aarch64-unknown-linux-musl"),
            "tcptrace_1.2.3-1_arm64.deb"
        );
        assert!(file_name("1.2.3", "s390x-unknown-linux-gnu").is_err());
    }

    #[test]
    fn sums_are_of_all_but_configuration() {
        let mut tree = Tree::default();
        tree.add("usr/bin/empty", PROGRAM, *b"");
        tree.add(DEFAULTS, PLAIN, *b"changed by the user");
        let expected = "d41d8cd98f00b204e9800998ecf8427e  usr/bin/empty\n";
        assert_eq!(md5sums(&tree).unwrap(), expected);
    }

    #[test]
    fn licences_are_values_of_fields() {
        assert_eq!(indented("one\n\ntwo \n"), " one\n .\n two\n");
    }
}
