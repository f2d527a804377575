//! What counts as the distribution's own source, and in which suites is looked.

use super::*;

const DEB822: &str = "\
Types: deb deb-src
# a comment inside
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

Types: deb
URIs: https://third-party.example/linux/debian
Suites: bookworm
Components: stable

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
";

fn bookworm() -> Distribution {
    Distribution {
        id: "debian".into(),
        codename: "bookworm".into(),
    }
}

fn own(mirrors: &[Mirror]) -> Vec<Vec<String>> {
    let directory = std::env::temp_dir().join(format!("xtask-apt-{}", std::process::id()));
    let parts = directory.join("sources.list.d");
    fs::create_dir_all(&parts).unwrap();
    let text: Vec<String> = mirrors
        .iter()
        .map(|mirror| mirror.entry(&mirror.suites.join(" ")))
        .collect();
    fs::write(parts.join("a.sources"), text.join("\n")).unwrap();
    let found = configured(&directory, &bookworm()).unwrap();
    fs::remove_dir_all(&directory).unwrap();
    found.into_iter().map(|mirror| mirror.uris).collect()
}

#[test]
fn os_release_gives_id_and_codename() {
    let text = "PRETTY_NAME=\"Debian\"\nVERSION_CODENAME=bookworm\nID=debian\nID_LIKE=x\n";
    assert_eq!(Distribution::parse(text), Some(bookworm()));
    assert_eq!(Distribution::parse("ID=arch\n"), None);
}

#[test]
fn only_the_distributions_main_archive_is_its_own() {
    assert_eq!(own(&deb822(DEB822)), [["http://mirror.example/debian"]]);
}

#[test]
fn deb822_keeps_the_key_and_all_suites() {
    let mirrors = deb822(DEB822);
    assert_eq!(mirrors.len(), 3, "the disabled one is left out");
    assert_eq!(mirrors[0].suites, ["bookworm", "bookworm-updates"]);
    assert_eq!(
        mirrors[0].entry("trixie"),
        "Types: deb\nURIs: http://mirror.example/debian\nSuites: trixie\nComponents: main contrib\n\
         Targets: Packages\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
    );
}

#[test]
fn a_key_written_into_the_file_is_kept_as_written() {
    let text = "Types: deb\nURIs: http://a\nSuites: b\nSigned-By:\n -----BEGIN\n .\n abc\n";
    assert_eq!(
        deb822(text)[0].signed_by.as_deref(),
        Some("\n -----BEGIN\n .\n abc")
    );
}

#[test]
fn one_line_style_with_and_without_options() {
    let text = "# deb http://no/ x main\n\
                deb [arch=amd64 signed-by=/k.gpg,/l.gpg] http://a/debian bookworm main contrib # c\n\
                deb\thttp://b/debian bookworm main\n\
                deb-src http://c/debian bookworm main\n\
                deb [trusted=yes http://broken bookworm main\n";
    let mirrors = one_line(text);
    assert_eq!(mirrors.len(), 2);
    assert_eq!(mirrors[0].signed_by.as_deref(), Some("/k.gpg /l.gpg"));
    assert_eq!(mirrors[0].components, ["main", "contrib"]);
    assert_eq!(mirrors[1].uris, ["http://b/debian"]);
}

#[test]
fn configured_suites_come_before_newer_ones_and_each_comes_once() {
    let configured = [Mirror {
        suites: vec!["bookworm".into(), "bookworm-updates".into()],
        ..Mirror::default()
    }];
    assert_eq!(
        bookworm().suites(&configured),
        [
            "bookworm",
            "bookworm-updates",
            "bookworm-backports",
            "trixie",
            "trixie-updates",
            "trixie-backports",
            "forky",
            "forky-updates",
            "forky-backports",
            "sid",
        ]
    );
}

#[test]
fn an_older_suite_is_never_looked_in() {
    let forky = Distribution {
        id: "debian".into(),
        codename: "forky".into(),
    };
    assert_eq!(
        forky.suites(&[]),
        ["forky", "forky-updates", "forky-backports", "sid"]
    );
}
