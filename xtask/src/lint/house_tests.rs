//! The check as a whole, on a small workspace that keeps and breaks the rules.

use super::*;

/// A workspace in a directory of its own, removed at the end.
struct Sample {
    root: PathBuf,
}

impl Sample {
    fn new(name: &str) -> Self {
        let root = std::env::temp_dir().join(format!("xtask-house-{name}-{}", std::process::id()));
        let sample = Self { root };
        for own in OWN {
            sample.write(&format!("{own}/src/lib.rs"), "//! A crate.\n");
        }
        for own in ["tcptrace", "tcptrace-ebpf"] {
            sample.write(
                &format!("{own}/Cargo.toml"),
                "[dependencies]\naya.workspace = true\n",
            );
        }
        sample
    }

    fn write(&self, path: &str, text: &str) {
        let file = self.root.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    fn findings(&self) -> String {
        check(&self.root)
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    }
}

impl Drop for Sample {
    fn drop(&mut self) {
        // A directory left behind in the temporary one does no harm.
        let _removed = fs::remove_dir_all(&self.root);
    }
}

#[test]
fn a_clean_house_has_no_findings() {
    let sample = Sample::new("clean");
    sample.write(
        "tcptrace/src/interpret/reset.rs",
        "use crate::model::Event;\n",
    );
    sample.write("tcptrace/src/model/mod.rs", "pub struct Event;\n");
    assert_eq!(sample.findings(), "");
}

#[test]
fn a_forbidden_import_is_named_with_file_and_line() {
    let sample = Sample::new("import");
    sample.write("tcptrace/src/kernel/mod.rs", "pub struct Kernel;\n");
    sample.write(
        "tcptrace/src/interpret/reset.rs",
        "\nuse crate::kernel::Kernel;\n",
    );
    let findings = sample.findings();
    assert!(
        findings.contains("tcptrace/src/interpret/reset.rs:2: `crate::kernel::Kernel`"),
        "{findings}"
    );
}

#[test]
fn a_crate_that_is_not_allowed_is_a_finding() {
    let sample = Sample::new("crate");
    sample.write("tcptrace/src/model/mod.rs", "use aya::Btf;\n");
    assert!(sample.findings().contains("model/mod.rs:1: `aya::Btf`"));
}

#[test]
fn a_tests_file_may_import_what_it_feeds() {
    let sample = Sample::new("tests");
    sample.write("tcptrace/src/kernel/mod.rs", "pub struct Kernel;\n");
    sample.write(
        "tcptrace/src/interpret/tests.rs",
        "use crate::kernel::Kernel;\n",
    );
    sample.write(
        "tcptrace/src/interpret/mod.rs",
        "#[cfg(test)]\nmod tests;\n",
    );
    assert_eq!(sample.findings(), "");
}

#[test]
fn a_room_nobody_ruled_on_is_a_finding() {
    let sample = Sample::new("head_slot");
    sample.write("tcptrace/src/helpers.rs", "");
    assert!(sample.findings().contains("module `helpers` has no rule"));
}

#[test]
fn common_must_not_use_std() {
    let sample = Sample::new("common");
    sample.write("tcptrace-common/src/wire.rs", "use std::mem;\n");
    assert!(
        sample
            .findings()
            .contains("tcptrace-common/src/wire.rs:1: `std::mem`")
    );
}

#[test]
fn modules_are_named_by_their_files() {
    let module = |file: &str| module_of(Path::new("/s"), &Path::new("/s").join(file)).join("::");
    assert_eq!(module("lib.rs"), "");
    assert_eq!(module("decode.rs"), "decode");
    assert_eq!(module("kernel/mod.rs"), "kernel");
    assert_eq!(module("kernel/btf/read.rs"), "kernel::btf::read");
}
