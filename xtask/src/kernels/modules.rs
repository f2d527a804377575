//! Loadable modules in the order in which they can be loaded.
//!
//! A kernel package has no `modules.dep` (depmod writes it when the package is installed), so the
//! dependencies come from where depmod has them from as well: the module's own `.modinfo`. Modules
//! are unpacked here, because not every kernel unpacks them itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use object::{Object as _, ObjectSection as _};

use super::image;

/// A module, unpacked.
pub(crate) struct Module {
    /// As in `lsmod`.
    pub(crate) name: String,
    pub(crate) elf: Vec<u8>,
}

/// `names` and all they need, each after those it needs. Names without a file are left out.
pub(super) fn closure(directory: &Path, names: &[&str]) -> Result<Vec<Module>> {
    let mut files = BTreeMap::new();
    collect(directory, &mut files)?;
    let mut loaded = Vec::new();
    let mut read = |name: &str| files.get(name).map(|file| load(name, file)).transpose();
    for name in names {
        visit(&canonical(name), &mut read, &mut loaded)?;
    }
    Ok(loaded)
}

/// Depth first; a name that was begun is not begun again, so that a loop ends.
fn visit(
    name: &str,
    read: &mut impl FnMut(&str) -> Result<Option<Module>>,
    loaded: &mut Vec<Module>,
) -> Result<()> {
    let mut begun: Vec<String> = Vec::new();
    visit_below(name, read, loaded, &mut begun)
}

fn visit_below(
    name: &str,
    read: &mut impl FnMut(&str) -> Result<Option<Module>>,
    loaded: &mut Vec<Module>,
    begun: &mut Vec<String>,
) -> Result<()> {
    if loaded.iter().any(|module| module.name == name) || begun.iter().any(|one| one == name) {
        return Ok(());
    }
    begun.push(name.to_owned());
    let Some(module) = read(name)? else {
        return Ok(());
    };
    for needed in depends(&module.elf).with_context(|| format!("module {name}"))? {
        visit_below(&needed, read, loaded, begun)?;
    }
    loaded.push(module);
    Ok(())
}

fn collect(directory: &Path, files: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    let entries =
        fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    for entry in entries {
        let path = entry
            .with_context(|| format!("cannot read {}", directory.display()))?
            .path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if let Some(name) = path.file_name().and_then(|file| file.to_str())
            && let Some((stem, _)) = name.split_once(".ko")
        {
            files.insert(canonical(stem), path);
        }
    }
    Ok(())
}

/// The kernel takes both signs for the same.
fn canonical(name: &str) -> String {
    name.replace('-', "_")
}

fn load(name: &str, file: &Path) -> Result<Module> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let elf = match file.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => image::decompress("xz", "xz-utils", &bytes),
        Some("zst") => image::decompress("zstd", "zstd", &bytes),
        Some("gz") => image::decompress("gzip", "gzip", &bytes),
        _ => Ok(bytes),
    }
    .with_context(|| format!("cannot unpack {}", file.display()))?;
    Ok(Module {
        name: name.to_owned(),
        elf,
    })
}

/// The names in `depends=` of the section `.modinfo`.
fn depends(elf: &[u8]) -> Result<Vec<String>> {
    let file = object::File::parse(elf).context("it is no ELF file")?;
    let section = file
        .section_by_name(".modinfo")
        .context("it has no .modinfo")?;
    Ok(depends_in(
        section.data().context("its .modinfo cannot be read")?,
    ))
}

/// Strings that end with 0, one of them `depends=a,b`.
fn depends_in(modinfo: &[u8]) -> Vec<String> {
    modinfo
        .split(|byte| *byte == 0)
        .filter_map(|entry| std::str::from_utf8(entry.strip_prefix(b"depends=")?).ok())
        .flat_map(|names| names.split(','))
        .filter(|name| !name.is_empty())
        .map(canonical)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modinfo_names_what_a_module_needs() {
        let text = b"license=GPL\0depends=inet_diag,x-tables\0name=tcp_diag\0\0";
        assert_eq!(depends_in(text), ["inet_diag", "x_tables"]);
        assert!(depends_in(b"depends=\0").is_empty());
    }

    /// An ELF file with nothing but `.modinfo`.
    fn module(name: &str, needs: &str) -> Module {
        use object::write::Object;
        let mut file = Object::new(
            object::BinaryFormat::Elf,
            object::Architecture::X86_64,
            object::Endianness::Little,
        );
        let section = file.add_section(
            Vec::new(),
            b".modinfo".to_vec(),
            object::SectionKind::ReadOnlyData,
        );
        file.append_section_data(section, format!("depends={needs}\0").as_bytes(), 1);
        Module {
            name: name.into(),
            elf: file.write().unwrap(),
        }
    }

    fn order(all: &[(&str, &str)], wanted: &str) -> Vec<String> {
        let mut loaded = Vec::new();
        let mut read = |name: &str| {
            let found = all.iter().find(|(known, _)| *known == name);
            Ok(found.map(|(name, needs)| module(name, needs)))
        };
        visit(wanted, &mut read, &mut loaded).unwrap();
        loaded.into_iter().map(|module| module.name).collect()
    }

    #[test]
    fn a_module_comes_after_all_it_needs_and_only_once() {
        let all = [("a", "b,c"), ("b", "d"), ("c", "d"), ("d", "")];
        assert_eq!(order(&all, "a"), ["d", "b", "c", "a"]);
    }

    #[test]
    fn what_is_built_in_or_goes_in_circles_does_not_stop_the_rest() {
        assert_eq!(order(&[("a", "built_in")], "a"), ["a"]);
        assert_eq!(order(&[("a", "b"), ("b", "a")], "a"), ["b", "a"]);
        assert!(order(&[], "a").is_empty());
    }
}
