//! `cargo xtask kernels`: distribution kernels for the VM matrix, kept under `target/kernels/SERIES`.
//!
//! A kernel that is there is used as it is and nothing is asked of the network; `fetch --refresh`
//! looks for newer ones. Which packages exist is read from the mirror ([`choose`]), no version is
//! written down here, only the series. Fails with what each suite of the mirror answered.

mod check;
mod choose;
mod fetch;
mod image;
mod modules;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

pub(crate) use self::choose::{Series, Wanted};
pub(crate) use self::modules::Module;
use crate::workspace::Workspace;

/// What the matrix runs on by default.
pub(crate) const MATRIX: [Wanted; 5] = [
    Wanted::Series(Series {
        major: 5,
        minor: 10,
    }),
    Wanted::Series(Series { major: 6, minor: 1 }),
    Wanted::Series(Series {
        major: 6,
        minor: 12,
    }),
    Wanted::Series(Series {
        major: 6,
        minor: 18,
    }),
    Wanted::Newest,
];

/// Names in a kernel's directory.
const IMAGE: &str = "vmlinuz";
const MODULES: &str = "modules";
const BTF: &str = "vmlinux.btf";
const PACKAGE: &str = "package";
/// Which series `newest` was when it was last looked up.
const NEWEST: &str = "newest";

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Fetch the kernels that are not there yet
    Fetch {
        /// Which: a series such as 6.1, or `newest` (default: all of the matrix)
        kernels: Vec<Wanted>,
        /// Look for newer packages even when a kernel is there
        #[arg(long)]
        refresh: bool,
    },
    /// Show the kernels that are there
    List,
    /// Judge kernels by their types, and fail when a newer one would lose a signal
    Check {
        /// Files that hold a kernel's BTF; none: the fixtures, and what is in target/kernels
        files: Vec<PathBuf>,
    },
}

pub(crate) fn main(workspace: &Workspace, args: &Args) -> Result<()> {
    match &args.what {
        What::Fetch { kernels, refresh } => {
            let wanted = if kernels.is_empty() {
                &MATRIX[..]
            } else {
                kernels
            };
            for kernel in ensure(workspace, wanted, *refresh)? {
                println!("{kernel}");
            }
        }
        What::Check { files } => check::main(workspace, files)?,
        What::List => {
            let home = home(workspace);
            for series in cached_series(&home)? {
                println!("{}", Kernel::read(&home, series)?);
            }
        }
    }
    Ok(())
}

/// A kernel on disk.
#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    pub(crate) series: Series,
    /// Name and version of the package, for people.
    pub(crate) package: String,
    directory: PathBuf,
}

impl std::fmt::Display for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:<5} {} in {}",
            self.series.to_string(),
            self.package,
            self.directory.display()
        )
    }
}

impl Kernel {
    fn read(home: &Path, series: Series) -> Result<Self> {
        let directory = home.join(series.to_string());
        let file = directory.join(PACKAGE);
        let package =
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        Ok(Self {
            series,
            package: package.trim().to_owned(),
            directory,
        })
    }

    /// The compressed image, as the boot loader takes it.
    pub(crate) fn image(&self) -> PathBuf {
        self.directory.join(IMAGE)
    }

    /// The loadable modules that `names` come to, each after those it needs. Names that the kernel
    /// does not have as a file are left out: most are built in.
    pub(crate) fn modules(&self, names: &[&str]) -> Result<Vec<Module>> {
        modules::closure(&self.directory.join(MODULES), names)
    }
}

/// The kernels asked for, fetched where they are missing.
pub(crate) fn ensure(
    workspace: &Workspace,
    wanted: &[Wanted],
    refresh: bool,
) -> Result<Vec<Kernel>> {
    let home = home(workspace);
    fs::create_dir_all(&home).with_context(|| format!("cannot create {}", home.display()))?;
    let lock = fs::File::create(home.join("lock"))
        .and_then(|file| file.lock().map(|()| file))
        .with_context(|| format!("cannot lock {}", home.join("lock").display()))?;
    let missing: Vec<Wanted> = wanted
        .iter()
        .copied()
        .filter(|one| refresh || cached(&home, *one).is_none())
        .collect();
    if !missing.is_empty() {
        fetch::fetch(&home, &missing)?;
    }
    let kernels = wanted.iter().map(|one| {
        let series = cached(&home, *one).with_context(|| format!("no kernel {one}"))?;
        Kernel::read(&home, series)
    });
    let kernels = kernels.collect::<Result<Vec<_>>>();
    drop(lock);
    kernels
}

fn home(workspace: &Workspace) -> PathBuf {
    workspace.root().join("target/kernels")
}

/// The series that answers `wanted`, when it is on disk.
fn cached(home: &Path, wanted: Wanted) -> Option<Series> {
    let series = match wanted {
        Wanted::Series(series) => series,
        Wanted::Newest => fs::read_to_string(home.join(NEWEST))
            .ok()?
            .trim()
            .parse()
            .ok()?,
    };
    home.join(series.to_string())
        .join(PACKAGE)
        .is_file()
        .then_some(series)
}

fn cached_series(home: &Path) -> Result<Vec<Series>> {
    if !home.is_dir() {
        bail!("no kernels yet: run `cargo xtask kernels fetch`");
    }
    let entries = fs::read_dir(home).with_context(|| format!("cannot read {}", home.display()))?;
    let mut all: Vec<Series> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|series| cached(home, Wanted::Series(*series)).is_some())
        .collect();
    all.sort_unstable();
    Ok(all)
}
