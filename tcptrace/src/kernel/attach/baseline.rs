//! What each CPU had counted in each network namespace when the run began.
//!
//! The first refusal on a CPU is recognised by its counters, which only a program on that CPU can read.

use std::io;

use anyhow::Context;
use aya::Ebpf;
use aya::maps::HashMap;
use aya::programs::{RawTracePoint, RawTracePointRunOptions, TestRun as _};
use aya::util::online_cpus;
use tcptrace_common::names;

/// Reads counters on every CPU, through a program that the kernel runs on request (from 5.10 on).
#[derive(Debug)]
pub struct Baselines<'a> {
    program: &'a RawTracePoint,
    /// Where a task has its namespace.
    path: [u64; 2],
    cpus: Vec<u32>,
}

impl<'a> Baselines<'a> {
    /// # Errors
    /// When the kernel refuses the program, or its types do not show a task's namespace.
    pub(super) fn load(object: &'a mut Ebpf, path: Option<[u64; 2]>) -> anyhow::Result<Self> {
        let path = path.context("no nsproxy in the types of tasks")?;
        let program = object
            .program_mut(names::BASELINE)
            .context("not in the object")?;
        let program: &mut RawTracePoint = program.try_into()?;
        program.load()?;
        let cpus = online_cpus().map_err(|(path, error)| io::Error::new(error.kind(), path))?;
        Ok(Self {
            program,
            path,
            cpus,
        })
    }

    /// Reads the counters of the namespace that the calling thread is in.
    ///
    /// # Errors
    /// When the kernel does not run the program.
    pub fn read(&self) -> anyhow::Result<()> {
        let [proxy, net] = self.path;
        self.run(None, [0, proxy, net])?;
        let mut cpus = self.cpus.iter();
        cpus.try_for_each(|cpu| self.run(Some(*cpu), [1, 0, 0]))
    }

    fn run(&self, cpu: Option<u32>, arguments: [u64; 3]) -> anyhow::Result<()> {
        let mut options = RawTracePointRunOptions::new();
        options.args[..3].copy_from_slice(&arguments);
        options.cpu = cpu;
        self.program.test_run(options)?;
        Ok(())
    }
}

/// Notes namespaces that could not be entered.
///
/// # Errors
/// When the map is missing, or has no room.
pub(super) fn note_older(object: &mut Ebpf, older: &[u32]) -> anyhow::Result<()> {
    let map = object.map_mut(names::OLDER).context("not in the object")?;
    let mut noted: HashMap<_, u32, u8> = HashMap::try_from(map)?;
    older
        .iter()
        .try_for_each(|netns| noted.insert(netns, 0, 0))
        .context("cannot note an older namespace")
}
