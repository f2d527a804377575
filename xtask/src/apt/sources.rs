//! Reads the sources that apt is configured with and says which of them are the distribution's own.
//!
//! Understands the one-line style (`sources.list`, `*.list`) and deb822 (`*.sources`). An entry that
//! is not understood is left out, never guessed at. `Trusted: yes` is not carried over: what comes
//! from here must be signed.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::process;

/// The distribution this machine runs, from `os-release`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Distribution {
    /// `debian` or `ubuntu`.
    pub(crate) id: String,
    /// For example `bookworm`.
    pub(crate) codename: String,
}

impl Distribution {
    /// From `/etc/os-release`. Err when it names none, or when this machine has no apt.
    pub(crate) fn of_this_machine() -> Result<Self> {
        for program in ["apt-get", "apt-cache", "dpkg-deb"] {
            if process::on_path(program).is_none() {
                bail!("`{program}` not found: this is not Debian or Ubuntu");
            }
        }
        let os_release =
            fs::read_to_string("/etc/os-release").context("cannot read /etc/os-release")?;
        Self::parse(&os_release)
            .context("/etc/os-release names no distribution with a VERSION_CODENAME")
    }

    /// None when the text names no distribution with a code name.
    pub(crate) fn parse(os_release: &str) -> Option<Self> {
        let field = |name: &str| {
            os_release
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
                .map(|value| value.trim().trim_matches(['"', '\'']).to_owned())
                .filter(|value| !value.is_empty())
        };
        Some(Self {
            id: field("ID")?,
            codename: field("VERSION_CODENAME")?,
        })
    }

    /// The suites to look in: those configured first, then newer ones, each once.
    pub(crate) fn suites(&self, configured: &[Mirror]) -> Vec<String> {
        let (series, last): (&[&str], Option<&str>) = match self.id.as_str() {
            "debian" => (&DEBIAN, Some(DEBIAN_LAST)),
            "ubuntu" => (&["jammy", "noble", "plucky", "questing", "resolute"], None),
            _ => (&[], None),
        };
        let newer = series.iter().skip_while(|name| **name != self.codename);
        let newer = newer.flat_map(|name| {
            [
                String::new(),
                "-updates".to_owned(),
                "-backports".to_owned(),
            ]
            .map(|pocket| format!("{name}{pocket}"))
        });
        let mut suites: Vec<String> = Vec::new();
        let candidates = configured
            .iter()
            .flat_map(|mirror| mirror.suites.iter().cloned());
        for suite in candidates.chain(newer).chain(last.map(str::to_owned)) {
            if !suites.contains(&suite) {
                suites.push(suite);
            }
        }
        suites
    }

    /// The names under which a source can ask for what this machine runs.
    fn is_own_suite(&self, suite: &str) -> bool {
        const ALIASES: [&str; 6] = [
            "oldoldstable",
            "oldstable",
            "stable",
            "testing",
            "unstable",
            "sid",
        ];
        suite == self.codename || (self.id == "debian" && ALIASES.contains(&suite))
    }
}

/// Debian's releases, oldest first, and the one that never is released.
pub(crate) const DEBIAN: [&str; 4] = ["bullseye", "bookworm", "trixie", "forky"];
const DEBIAN_LAST: &str = "sid";

/// One configured source of binary packages.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Mirror {
    uris: Vec<String>,
    suites: Vec<String>,
    components: Vec<String>,
    /// As written: a file, a fingerprint or, on several lines, the key itself. None means the keys
    /// that apt trusts in general.
    signed_by: Option<String>,
}

impl Mirror {
    /// The source in deb822 style with the suites it is configured for.
    pub(crate) fn own_entry(&self) -> String {
        self.entry(&self.suites.join(" "))
    }

    /// The source in deb822 style for one suite or several, package index only.
    pub(crate) fn entry(&self, suite: &str) -> String {
        let mut text = format!(
            "Types: deb\nURIs: {}\nSuites: {suite}\nComponents: {}\nTargets: Packages\n",
            self.uris.join(" "),
            self.components.join(" "),
        );
        if let Some(keys) = &self.signed_by {
            // Writing to a String cannot fail.
            let _infallible = writeln!(text, "Signed-By: {keys}");
        }
        text
    }
}

/// The distribution's own sources among those configured under `etc_apt`.
pub(crate) fn configured(etc_apt: &Path, distribution: &Distribution) -> Result<Vec<Mirror>> {
    let mut mirrors = own_archives(etc_apt)?;
    mirrors.retain(|mirror| {
        mirror
            .suites
            .iter()
            .any(|suite| distribution.is_own_suite(suite))
    });
    Ok(mirrors)
}

/// The sources of the distribution's security updates, which have suites of their own names.
pub(crate) fn configured_security(
    etc_apt: &Path,
    distribution: &Distribution,
) -> Result<Vec<Mirror>> {
    let security = format!("{}-security", distribution.codename);
    let mut mirrors = own_archives(etc_apt)?;
    mirrors.retain(|mirror| mirror.suites.contains(&security));
    Ok(mirrors)
}

/// Every configured source with the component `main`, which the repositories of others do not have.
fn own_archives(etc_apt: &Path) -> Result<Vec<Mirror>> {
    let mut files = vec![etc_apt.join("sources.list")];
    let parts = etc_apt.join("sources.list.d");
    if parts.is_dir() {
        for entry in
            fs::read_dir(&parts).with_context(|| format!("cannot read {}", parts.display()))?
        {
            files.push(
                entry
                    .with_context(|| format!("cannot read {}", parts.display()))?
                    .path(),
            );
        }
    }
    files.sort();
    let mut mirrors = Vec::new();
    for file in files.iter().filter(|file| file.is_file()) {
        let text =
            fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        mirrors.extend(
            match file.extension().and_then(|extension| extension.to_str()) {
                Some("list") => one_line(&text),
                Some("sources") => deb822(&text),
                _ => Vec::new(),
            },
        );
    }
    mirrors.retain(|mirror| {
        mirror
            .components
            .iter()
            .any(|component| component == "main")
    });
    Ok(mirrors)
}

/// `deb [signed-by=/a/key.gpg] http://host/debian bookworm main contrib`
fn one_line(text: &str) -> Vec<Mirror> {
    let parse = |line: &str| {
        let line = line.split('#').next()?.trim();
        let mut rest = line
            .strip_prefix("deb")?
            .strip_prefix([' ', '\t'])?
            .trim_start();
        let mut signed_by = None;
        if let Some(after) = rest.strip_prefix('[') {
            let (options, after) = after.split_once(']')?;
            signed_by = options
                .split_whitespace()
                .find_map(|option| option.strip_prefix("signed-by="))
                .map(|keys| keys.replace(',', " "));
            rest = after;
        }
        let mut words = rest.split_whitespace().map(str::to_owned);
        Some(Mirror {
            uris: vec![words.next()?],
            suites: vec![words.next()?],
            components: words.collect(),
            signed_by,
        })
    };
    text.lines().filter_map(parse).collect()
}

/// Stanzas of `Name: value`, where a value continues in lines that begin with a space.
fn deb822(text: &str) -> Vec<Mirror> {
    let mut stanzas: Vec<Vec<(String, String)>> = vec![Vec::new()];
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some(stanza) = stanzas.last_mut() else {
            continue;
        };
        if line.trim().is_empty() {
            stanzas.push(Vec::new());
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = stanza.last_mut() {
                value.push('\n');
                value.push_str(line);
            }
        } else if let Some((name, value)) = line.split_once(':') {
            stanza.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    stanzas
        .iter()
        .filter_map(|stanza| deb822_stanza(stanza))
        .collect()
}

fn deb822_stanza(stanza: &[(String, String)]) -> Option<Mirror> {
    let field = |wanted: &str| {
        stanza
            .iter()
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.as_str())
    };
    let words = |name: &str| {
        field(name).map(|value| {
            value
                .split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
    };
    let disabled = field("enabled").is_some_and(|value| {
        ["no", "false", "0", "off"].contains(&value.to_ascii_lowercase().as_str())
    });
    let binary = words("types")?.iter().any(|kind| kind == "deb");
    if disabled || !binary {
        return None;
    }
    Some(Mirror {
        uris: words("uris")?,
        suites: words("suites")?,
        components: words("components").unwrap_or_default(),
        signed_by: field("signed-by").map(str::to_owned),
    })
}

#[cfg(test)]
#[path = "sources_tests.rs"]
mod tests;
