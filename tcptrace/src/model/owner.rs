//! Which process a socket belongs to, and how that is known.

use std::sync::Arc;

use schemars::{JsonSchema, SchemaGenerator};
use serde::de::{Error, IntoDeserializer, value::StrDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::cgroup::Container;
use super::named;

named! {
    /// How an owner is known.
    Basis {
        /// The owner's own system call triggered the hook.
        Task = "task",
        /// Remembered from connect, accept, listen or an earlier call on that socket.
        Socket = "socket",
        /// A connection not accepted yet: the owner of its listener.
        Listener = "listener",
        /// Found in /proc.
        Snapshot = "snapshot",
    }
}

/// A process. `pid` and `start_ticks` together are its identity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// tgid, as seen in our PID namespace.
    pub pid: u32,
    /// Field 22 of /proc/PID/stat: start on the boot clock in ticks of 1/100 s.
    pub start_ticks: Option<u64>,
    /// Name of the thread-group leader; may hold any characters but NUL.
    pub comm: String,
    /// The name that people know it by, where `comm` is that of an interpreter: `python3 worker.py`.
    pub name: Option<String>,
    /// Path of the executable; `None` for kernel threads, or when it could not be read in time.
    pub exe: Option<String>,
    /// Effective user.
    pub uid: Option<u32>,
    /// cgroup path.
    pub cgroup: Option<String>,
    /// systemd unit that the cgroup path names, as [`super::cgroup::unit`] has it.
    pub unit: Option<String>,
    /// Container that the cgroup path names.
    pub container: Option<Container>,
}

impl Process {
    /// Where it runs, in the word that says most: container, else unit, else cgroup.
    pub fn place(&self) -> Option<&str> {
        let container = self.container.as_ref().and_then(Container::label);
        container
            .or(self.unit.as_deref())
            .or(self.cgroup.as_deref())
            .filter(|path| *path != "/")
    }

    /// What to call it: [`Self::name`], else `comm`.
    pub fn display_name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.comm)
    }

    /// The same where there is room for so many characters: what an interpreter runs says more than
    /// which interpreter it is.
    pub fn display_name_within(&self, room: usize) -> &str {
        match self.program() {
            Some(program) if self.display_name().len() > room => program,
            _ => self.display_name(),
        }
    }

    /// What an interpreter runs: `worker.py`.
    pub fn program(&self) -> Option<&str> {
        let (_, program) = self.name.as_deref()?.split_once(' ')?;
        Some(program)
    }
}

/// The owner of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Who.
    pub process: Arc<Process>,
    /// How that is known.
    pub basis: Basis,
    /// How many processes hold the socket, when that is known and above 1.
    pub shared_by: Option<u32>,
    /// The thread that made the call, with basis `task` or `socket`.
    pub tid: Option<u32>,
    /// Every process that holds the socket, the owner among them, at most [`MOST_HOLDERS`]; only for
    /// a socket that several processes are known to hold. [`Self::shared_by`] says how many there are.
    pub holders: Option<Arc<[Arc<Process>]>>,
    /// The process used the socket last, but was not seen to hold it any more: it had ended or given the
    /// socket away, or there was no time to ask.
    pub is_stale: bool,
}

/// Holders of a shared socket that are named; further ones are only counted.
pub const MOST_HOLDERS: usize = 16;

impl Owner {
    /// The owner, then the other processes that hold the socket.
    pub fn processes(&self) -> impl Iterator<Item = &Process> {
        let others = self.holders.as_deref().unwrap_or_default().iter();
        let is_another = |process: &&Arc<Process>| !Arc::ptr_eq(process, &self.process);
        std::iter::once(&*self.process).chain(others.filter(is_another).map(|process| &**process))
    }
}

/// An owner as the kernel side reported it, before /proc was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedOwner {
    /// tgid, as seen in our PID namespace.
    pub pid: u32,
    /// Thread.
    pub tid: u32,
    /// As in [`Process`].
    pub start_ticks: u64,
    /// Name of the thread-group leader at that time.
    pub comm: [u8; 16],
    /// Effective user.
    pub uid: Option<u32>,
    /// How it is known.
    pub basis: Basis,
    /// How many processes held the socket when tracing began, when that is known.
    pub holders: Option<u32>,
    /// Whether the kernel side follows the process (`--children`, `-- COMMAND`).
    pub is_followed: bool,
    /// Whether [`super::Event::inode`] is that of the listener of a connection that nobody has
    /// accepted.
    pub has_listener_file: bool,
    /// The kernel side saw it hold the socket (or the listener) at that moment.
    pub holds: bool,
    /// Name and user are those of that moment, not of an earlier call.
    pub is_current: bool,
    /// The socket was closed by a task that need not have held it, so the process is who used it last.
    pub is_discarded: bool,
}

/// An owner as NDJSON has it; one that is not known is all null, with basis `none`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "owner")]
pub struct OwnerObject {
    /// tgid, in the PID namespace of tcptrace.
    pub pid: Option<u32>,
    /// Field 22 of /proc/PID/stat; with pid the identity of the process.
    pub start_ticks: Option<u64>,
    /// Name of the thread-group leader.
    pub comm: Option<String>,
    /// What an interpreter runs, such as `python3 worker.py`, where comm only names the interpreter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Path of the executable.
    pub exe: Option<String>,
    /// Effective user.
    pub uid: Option<u32>,
    /// cgroup path.
    pub cgroup: Option<String>,
    /// systemd unit that the cgroup path names: its innermost service or scope, as `systemctl` takes the
    /// name; one of a user's manager as `user@UID.service/UNIT`. Absent: none, or not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Container that the cgroup path names; null: none, or not known.
    pub container: Option<Container>,
    /// How the owner is known.
    #[serde(serialize_with = "write_basis", deserialize_with = "read_basis")]
    #[schemars(schema_with = "basis_schema")]
    pub basis: Option<Basis>,
    /// How many processes hold the socket; null: one, or not known.
    pub shared_by: Option<u32>,
    /// true: the process used the socket last, but was not seen to hold it any more. It had ended or given
    /// the socket away, or there was no time to ask. false: it held the socket. null: nobody is known.
    pub stale: Option<bool>,
    /// The processes that hold the socket, the owner among them, 16 at most; `shared_by` is how many there
    /// are. Absent: one, or not known. A recording does not contain them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holders: Option<Vec<HolderObject>>,
}

/// A process that holds a shared socket.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "holder")]
pub struct HolderObject {
    /// tgid, in the PID namespace of tcptrace.
    pub pid: u32,
    /// Field 22 of /proc/PID/stat; with pid the identity of the process.
    pub start_ticks: Option<u64>,
    /// Name of the thread-group leader.
    pub comm: String,
}

impl From<&Process> for HolderObject {
    fn from(process: &Process) -> Self {
        Self {
            pid: process.pid,
            start_ticks: process.start_ticks,
            comm: process.comm.clone(),
        }
    }
}

impl HolderObject {
    /// The process, `owner` where it is that one.
    fn process(self, owner: &Arc<Process>) -> Arc<Process> {
        if (self.pid, self.start_ticks) == (owner.pid, owner.start_ticks) {
            return Arc::clone(owner);
        }
        Arc::new(Process {
            pid: self.pid,
            start_ticks: self.start_ticks,
            comm: self.comm,
            ..Process::default()
        })
    }
}

impl From<&Owner> for OwnerObject {
    fn from(owner: &Owner) -> Self {
        let process = &*owner.process;
        Self {
            pid: Some(process.pid),
            start_ticks: process.start_ticks,
            comm: Some(process.comm.clone()),
            name: process.name.clone(),
            exe: process.exe.clone(),
            uid: process.uid,
            cgroup: process.cgroup.clone(),
            unit: process.unit.clone(),
            container: process.container.clone(),
            basis: Some(owner.basis),
            shared_by: owner.shared_by,
            stale: Some(owner.is_stale),
            holders: owner.holders.as_deref().map(|holders| {
                holders
                    .iter()
                    .take(MOST_HOLDERS)
                    .map(|process| HolderObject::from(&**process))
                    .collect()
            }),
        }
    }
}

impl OwnerObject {
    /// The owner; `None` where nobody is known.
    fn owner<E: Error>(self) -> Result<Option<Owner>, E> {
        let Some(basis) = self.basis else {
            return Ok(None);
        };
        let process = Process {
            pid: self.pid.ok_or_else(|| E::missing_field("pid"))?,
            start_ticks: self.start_ticks,
            comm: self.comm.ok_or_else(|| E::missing_field("comm"))?,
            name: self.name,
            exe: self.exe,
            uid: self.uid,
            cgroup: self.cgroup,
            unit: self.unit,
            container: self.container,
        };
        let process = Arc::new(process);
        let holders = self.holders.map(|holders| {
            holders
                .into_iter()
                .map(|holder| holder.process(&process))
                .collect()
        });
        Ok(Some(Owner {
            process,
            basis,
            shared_by: self.shared_by,
            tid: None,
            holders,
            is_stale: self.stale.unwrap_or(false),
        }))
    }
}

/// Writes an [`OwnerObject`].
pub(super) fn write_or_none<S: Serializer>(
    owner: &Option<Owner>,
    to: S,
) -> Result<S::Ok, S::Error> {
    let object = owner.as_ref().map(OwnerObject::from);
    object.unwrap_or_default().serialize(to)
}

/// Writes [`OwnerObject`]s.
pub(super) fn write_all<S: Serializer>(owners: &[Owner], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(owners.iter().map(OwnerObject::from))
}

/// Reads an [`OwnerObject`]; null is nobody too.
pub(super) fn or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Owner>, D::Error> {
    let object = Option::<OwnerObject>::deserialize(from)?;
    object.map_or(Ok(None), OwnerObject::owner)
}

/// Stands for an owner that is not known.
const NOBODY: &str = "none";

fn write_basis<S: Serializer>(basis: &Option<Basis>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(basis.map_or(NOBODY, Basis::name))
}

fn read_basis<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Basis>, D::Error> {
    let name = std::borrow::Cow::<str>::deserialize(from)?;
    if name == NOBODY {
        return Ok(None);
    }
    let name: StrDeserializer<'_, D::Error> = (*name).into_deserializer();
    Basis::deserialize(name).map(Some)
}

fn basis_schema(generator: &mut SchemaGenerator) -> schemars::Schema {
    let mut schema = Basis::json_schema(generator);
    let nobody = schemars::json_schema!({ "const": NOBODY, "description": "Not known." });
    if let Some(values) = schema
        .get_mut("oneOf")
        .and_then(|values| values.as_array_mut())
    {
        values.push(nobody.into());
    }
    schema
}
