//! From the payload of a block to items.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock, Mutex};

use super::Malformed;
use super::codes::Coded;
use super::fields::{OwnerForm, STALE, queue};
use super::forms::{EndForm, EventForm, FlowForm, ItemForm, ProcessForm, SampleForm};
use crate::model::flow::TcpState;
use crate::model::sample::{ListenerSample, SpaceSample};
use crate::model::{Basis, Endpoint, Event, Evidence, Family, Flow, Kind, Owner, Process, Sample};
use crate::recording::{Item, KernelCount};

/// Reads the items of one block.
#[derive(Debug)]
pub(crate) struct Decoder<'a> {
    rest: &'a [u8],
    hooks: Vec<&'static str>,
    processes: Vec<Arc<Process>>,
    before_ns: u64,
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(payload: &'a [u8]) -> Self {
        Self {
            rest: payload,
            hooks: Vec::new(),
            processes: Vec::new(),
            before_ns: 0,
        }
    }

    /// The next item; `None` at the end.
    pub(crate) fn next(&mut self) -> Option<Result<Item, Malformed>> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            match self.step() {
                Ok(Some(item)) => return Some(Ok(item)),
                Ok(None) => {}
                Err(malformed) => {
                    self.rest = &[];
                    return Some(Err(malformed));
                }
            }
        }
    }

    fn step(&mut self) -> Result<Option<Item>, Malformed> {
        let (form, rest) = postcard::take_from_bytes::<ItemForm<'a>>(self.rest)?;
        self.rest = rest;
        Ok(Some(match form {
            ItemForm::Hook(name) => {
                self.hooks.push(hook(&name).ok_or(Malformed)?);
                return Ok(None);
            }
            ItemForm::Process(form) => {
                self.processes.push(Arc::new(process(form)));
                return Ok(None);
            }
            ItemForm::Event(form) => Item::Event(self.event(form)?),
            ItemForm::Tick(boot_ns) => Item::Tick(boot_ns),
            ItemForm::Kernel {
                kind,
                filtered,
                lost,
                boot_ns,
            } => Item::Kernel(code(kind)?, KernelCount { filtered, lost }, boot_ns),
            ItemForm::Undecodable(kind) => Item::Undecodable(kind.map(code::<Kind>).transpose()?),
            ItemForm::Sample(form) => Item::Sample(self.sample(form)?),
            ItemForm::Ending(boot_ns) => Item::Ending(boot_ns),
            ItemForm::Clock {
                boot_to_wall_ns,
                step_ns,
            } => Item::Clock {
                boot_to_wall_ns,
                step_ns,
            },
        }))
    }

    fn event(&mut self, form: EventForm) -> Result<Event, Malformed> {
        let boot_ns = self.before_ns.wrapping_add_signed(form.later_ns);
        self.before_ns = boot_ns;
        let hook = self.hooks.get(form.hook as usize).copied();
        Ok(Event {
            boot_ns,
            sock: form.sock,
            inode: form.inode,
            flow: flow(&form.flow)?,
            state: TcpState::of_optional(form.state)?,
            heard: None,
            owner: form.owner.map(|form| self.owner(form)).transpose()?,
            hook: hook.ok_or(Malformed)?,
            evidence: code::<Evidence>(form.evidence)?,
            signal: form.signal.signal(|form| self.owner(form))?,
        })
    }

    fn process(&self, number: u32) -> Result<Arc<Process>, Malformed> {
        self.processes
            .get(number as usize)
            .cloned()
            .ok_or(Malformed)
    }

    fn owner(&self, form: OwnerForm) -> Result<Owner, Malformed> {
        Ok(Owner {
            process: self.process(form.process)?,
            basis: code::<Basis>(form.basis & !STALE)?,
            shared_by: form.shared_by,
            tid: form.tid,
            holders: None,
            is_stale: form.basis & STALE != 0,
        })
    }

    fn sample(&self, form: SampleForm) -> Result<Sample, Malformed> {
        let mut spaces = Vec::new();
        for space in form.spaces {
            let mut listeners = Vec::new();
            for listener in space.listeners {
                listeners.push(ListenerSample {
                    family: code::<Family>(listener.family)?,
                    local: end(listener.local),
                    cookie: listener.cookie,
                    holder: listener
                        .holder
                        .map(|number| self.process(number))
                        .transpose()?,
                    accept_queue: queue(listener.accept_queue),
                    drops: listener.drops,
                });
            }
            spaces.push(SpaceSample {
                netns: space.netns,
                time_wait_entries: space.time_wait_entries,
                time_wait_limit: space.time_wait_limit,
                orphans: space.orphans,
                listeners,
            });
        }
        Ok(Sample {
            boot_ns: form.boot_ns,
            spaces,
        })
    }
}

fn code<T: Coded>(code: u8) -> Result<T, Malformed> {
    T::of_code(code).ok_or(Malformed)
}

/// Names of hooks that this program does not know, and the longest: a newer tcptrace may write some,
/// a hostile file would never end.
const FOREIGN_MOST: usize = 256;
const HOOK_BYTES: usize = 64;

/// The name of a hook for as long as the program runs.
fn hook(name: &str) -> Option<&'static str> {
    static FOREIGN: LazyLock<Mutex<HashSet<&'static str>>> = LazyLock::new(Mutex::default);
    let known = tcptrace_common::kind::hook::NAMES;
    if let Some(known) = known.into_iter().find(|known| *known == name) {
        return Some(known);
    }
    let mut foreign = FOREIGN.lock().ok()?;
    if let Some(known) = foreign.get(name) {
        return Some(known);
    }
    if foreign.len() >= FOREIGN_MOST || name.len() > HOOK_BYTES {
        return None;
    }
    let kept: &'static str = Box::leak(name.into());
    foreign.insert(kept);
    Some(kept)
}

fn process(form: ProcessForm<'_>) -> Process {
    Process {
        pid: form.pid,
        start_ticks: form.start_ticks,
        comm: form.comm.into_owned(),
        name: None,
        exe: form.exe.map(Into::into),
        uid: form.uid,
        cgroup: form.cgroup.map(Into::into),
        container: form.container.map(Into::into),
    }
}

const fn end((addr, port): EndForm) -> Endpoint {
    Endpoint { addr, port }
}

fn flow(form: &FlowForm) -> Result<Flow, Malformed> {
    Ok(Flow {
        family: code::<Family>(form.family)?,
        local: form.local.map(end),
        unbound: form.unbound,
        remote: form.remote.map(end),
        netns: form.netns,
        cookie: form.cookie,
    })
}
