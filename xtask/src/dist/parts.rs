//! What a release consists of, and where each part belongs below a prefix.
//!
//! The archive is laid out as `/usr/local` wants it, so that one tar command installs it; the Debian
//! package takes the same parts to Debian's places (`deb`).

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::build;
use super::sbom::Listed;
use super::tree::{PLAIN, PROGRAM, Tree};

/// Where the archive's program is when it is installed.
const ARCHIVE_BINARIES: &str = "/usr/local/bin";
const UNIT: &str = "tcptrace-recorder.service";
/// In the unit, where the program is.
const PLACE: &str = "@BINDIR@";

/// What the program prints about itself.
pub(super) struct Texts {
    /// Names, as `tcptrace-watch.1`, and roff.
    pub(super) manual: Vec<(String, Vec<u8>)>,
    bash: String,
    zsh: String,
    fish: String,
}

impl Texts {
    pub(super) fn printed_by(binary: &Path, work: &Path) -> Result<Self> {
        let pages = work.join("manual");
        if pages.exists() {
            fs::remove_dir_all(&pages)
                .with_context(|| format!("cannot remove {}", pages.display()))?;
        }
        fs::create_dir_all(&pages).with_context(|| format!("cannot create {}", pages.display()))?;
        let directory = pages.to_str().context("a path is not UTF-8")?;
        build::printed(binary, &["man", "--all", directory])?;
        let mut manual = Vec::new();
        for page in fs::read_dir(&pages).with_context(|| format!("cannot read {directory}"))? {
            let page = page
                .with_context(|| format!("cannot read {directory}"))?
                .path();
            let name = page.file_name().and_then(|name| name.to_str());
            let name = name.context("a page without a name")?.to_owned();
            let text =
                fs::read(&page).with_context(|| format!("cannot read {}", page.display()))?;
            manual.push((name, text));
        }
        manual.sort();
        let completions = |shell| build::printed(binary, &["completions", shell]);
        Ok(Self {
            manual,
            bash: completions("bash")?,
            zsh: completions("zsh")?,
            fish: completions("fish")?,
        })
    }
}

/// Everything that is put somewhere.
pub(super) struct Parts<'a> {
    pub(super) workspace: &'a Path,
    pub(super) program: Vec<u8>,
    pub(super) texts: &'a Texts,
    pub(super) listed: &'a Listed,
}

/// Where completions belong, which differs by who installs them.
pub(super) struct Completions {
    pub(super) bash: &'static str,
    pub(super) zsh: &'static str,
    pub(super) fish: &'static str,
}

impl Parts<'_> {
    /// The archive's tree, below a directory `name`.
    pub(super) fn archive(&self, name: &str) -> Result<Tree> {
        let mut tree = Tree::default();
        let place = |path: &str| format!("{name}/{path}");
        tree.add(&place("bin/tcptrace"), PROGRAM, self.program.clone());
        for (page, text) in &self.texts.manual {
            tree.add(
                &place(&format!("share/man/man1/{page}")),
                PLAIN,
                text.clone(),
            );
        }
        let completions = Completions {
            bash: "share/bash-completion/completions/tcptrace",
            zsh: "share/zsh/site-functions/_tcptrace",
            fish: "share/fish/vendor_completions.d/tcptrace.fish",
        };
        self.complete(&mut tree, &completions, place);
        let unit = place(&format!("lib/systemd/system/{UNIT}"));
        tree.add(&unit, PLAIN, self.unit(ARCHIVE_BINARIES)?);
        let doc = |file: &str| place(&format!("share/doc/tcptrace/{file}"));
        for file in [
            "README.md",
            "CHANGELOG.md",
            "LICENSE-APACHE",
            "LICENSE-GPL-2.0",
            "LICENSE-MIT",
        ] {
            tree.add(&doc(file), PLAIN, self.own(file)?);
        }
        tree.add(&doc("install.md"), PLAIN, self.own("docs/install.md")?);
        tree.add(&doc("tcptrace.default"), PLAIN, self.defaults()?);
        tree.add(
            &doc("THIRD-PARTY.md"),
            PLAIN,
            self.listed.licences.as_bytes(),
        );
        tree.add(
            &doc("sbom.cdx.json"),
            PLAIN,
            self.listed.components.as_bytes(),
        );
        Ok(tree)
    }

    /// Adds the completions at their places, each changed by `place`.
    pub(super) fn complete(
        &self,
        tree: &mut Tree,
        places: &Completions,
        place: impl Fn(&str) -> String,
    ) {
        let texts = self.texts;
        tree.add(&place(places.bash), PLAIN, texts.bash.as_bytes());
        tree.add(&place(places.zsh), PLAIN, texts.zsh.as_bytes());
        tree.add(&place(places.fish), PLAIN, texts.fish.as_bytes());
    }

    /// The service, for a program in `binaries`.
    pub(super) fn unit(&self, binaries: &str) -> Result<String> {
        let text = String::from_utf8(self.own(&format!("xtask/packaging/{UNIT}"))?)?;
        Ok(text.replace(PLACE, binaries))
    }

    /// The options of the service, as they come.
    pub(super) fn defaults(&self) -> Result<Vec<u8>> {
        self.own("xtask/packaging/tcptrace.default")
    }

    /// A file of the workspace.
    pub(super) fn own(&self, path: &str) -> Result<Vec<u8>> {
        let file = self.workspace.join(path);
        fs::read(&file).with_context(|| format!("cannot read {}", file.display()))
    }
}
