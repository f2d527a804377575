//! Reads the kernel's description of its own types (BTF, `/sys/kernel/btf/vmlinux`): where a
//! struct member lies, what an enum's variants are worth, which arguments a function takes.
//!
//! Turns type and member names into offsets, sizes, values and prototypes of the kernel that is
//! running. It must not know any kernel's layout itself, nor decide what a missing member means:
//! a name this kernel does not have is None. A blob it cannot understand as a whole is a
//! [`BtfError`]; one that is odd in a single type gives None for that type. Hostile input costs a
//! bounded amount of work and never a panic.

mod bytes;
mod c_form;
mod extract;
#[cfg(test)]
pub(crate) mod fixture;
mod index;
mod members;
mod questions;
#[cfg(test)]
mod tests;
mod type_ids;

use std::io;
use std::path::Path;

use bytes::Bytes;
use index::{Index, Kind, Type};
use questions::Notes;

pub use c_form::{Param, Prototype};
pub use members::Field;
pub use questions::Question;
pub use type_ids::TypeIds;

const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// How many typedefs, qualifiers or arrays are followed before a type counts as malformed.
const MAX_CHAIN: usize = 32;

/// Why a blob cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BtfError {
    /// The kernel does not describe its types.
    #[error(
        "this kernel has no {VMLINUX}: it was built without CONFIG_DEBUG_INFO_BTF; boot a kernel \
         with CONFIG_DEBUG_INFO_BTF=y (the default in current distributions), or mount sysfs if \
         /sys is empty"
    )]
    NotFound,
    /// The file is there but cannot be read.
    #[error("cannot read {VMLINUX}")]
    Io(#[source] io::Error),
    /// Not BTF at all.
    #[error("not BTF: it begins with {magic:#06x} instead of 0xeb9f")]
    BadMagic {
        /// The first two bytes, as a native number.
        magic: u16,
    },
    /// Written by a machine of the other byte order.
    #[error(
        "this BTF has the byte order of another machine; tcptrace reads only that of this machine"
    )]
    ForeignEndian,
    /// A format version other than 1.
    #[error("BTF version {version} is not supported, only version 1")]
    Version {
        /// The version found.
        version: u8,
    },
    /// A part ends before its stated length, or contradicts itself.
    #[error("the BTF is cut off or damaged: {what}")]
    Damaged {
        /// The part.
        what: &'static str,
    },
    /// A kind newer than this reader: nothing after it can be found, its size being unknown.
    #[error("type {id} has the unknown kind {kind} (this tcptrace knows kinds 1 to 19)")]
    UnknownKind {
        /// The kind's number.
        kind: u32,
        /// The type that has it.
        id: u32,
    },
}

/// The types of one kernel.
pub struct Btf {
    bytes: Bytes,
    index: Index,
    /// Every question, where they are noted.
    notes: Option<Notes>,
}

impl Btf {
    /// The types of the running kernel.
    ///
    /// # Errors
    /// [`BtfError::NotFound`] on a kernel built without BTF, the others when the file is unreadable
    /// or newer than this reader.
    pub fn from_kernel() -> Result<Btf, BtfError> {
        match Bytes::of_sysfs(Path::new(VMLINUX)) {
            Ok(bytes) => Btf::over(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(BtfError::NotFound),
            Err(error) => Err(BtfError::Io(error)),
        }
    }

    /// The types described by `bytes`, a whole BTF blob with its header.
    ///
    /// # Errors
    /// Every [`BtfError`] but `NotFound` and `Io`.
    pub fn parse(bytes: Vec<u8>) -> Result<Btf, BtfError> {
        Btf::over(Bytes::Owned(bytes))
    }

    /// As [`Btf::parse`], and every question asked is noted for [`Btf::extract`].
    ///
    /// # Errors
    /// Those of [`Btf::parse`].
    pub fn parse_noting(bytes: Vec<u8>) -> Result<Btf, BtfError> {
        let mut btf = Btf::parse(bytes)?;
        btf.notes = Some(Notes::default());
        Ok(btf)
    }

    fn over(bytes: Bytes) -> Result<Btf, BtfError> {
        let index = Index::build(&bytes)?;
        Ok(Btf {
            bytes,
            index,
            notes: None,
        })
    }

    /// The questions asked so far, sorted; none where they are not noted.
    pub fn questions(&self) -> Vec<Question> {
        self.notes.as_ref().map(Notes::sorted).unwrap_or_default()
    }

    /// A small blob that answers the questions noted so far as this one does, and hardly more.
    pub fn extract(&self) -> Vec<u8> {
        extract::blob(self, &self.questions())
    }

    fn note(&self, question: impl FnOnce() -> Question) {
        if let Some(notes) = &self.notes {
            notes.add(question());
        }
    }

    /// Where the member `path` of the struct or union `strukt` lies.
    ///
    /// A path has dots between members (`__sk_common.skc_net.net`); members of anonymous structs
    /// and unions are named as if they were their parent's own, as in C. An array in the middle of
    /// a path means its element 0. A pointer is never followed. None when this kernel has no such
    /// struct or member. Of several structs with one name the first that has members counts.
    pub fn field(&self, strukt: &str, path: &str) -> Option<Field> {
        self.note(|| Question::field(strukt, path));
        members::locate(self, self.aggregate(strukt)?.1, path)
    }

    /// Bytes of the struct or union `strukt`. None when this kernel has none with members.
    pub fn struct_size(&self, strukt: &str) -> Option<u32> {
        self.note(|| Question::Size(strukt.to_owned()));
        Some(self.aggregate(strukt)?.1.size_or_type)
    }

    /// Variants and values of the named enum, in the kernel's order. None when there is none.
    ///
    /// A variant is taken as signed only where the kernel marks the enum so, which it does from
    /// 6.0 on: -1 in an older one reads as 4294967295.
    pub fn enum_values(&self, name: &str) -> Option<Vec<(&str, i64)>> {
        self.note(|| Question::Enum(name.to_owned()));
        let (_, ty) = self.enumeration(name)?;
        let names = self.index.strings(&self.bytes);
        Some(
            variants(ty)
                .filter_map(|(off, value)| Some((names.name(off)?, value)))
                .collect(),
        )
    }

    /// The value of one variant of any enum, also of those without a name. None when there is none.
    ///
    /// Each call looks at every enum of the kernel; ask [`Btf::variant_values`] for more than one.
    pub fn enum_value(&self, variant: &str) -> Option<i64> {
        self.variant_values(&[variant]).pop().flatten()
    }

    /// The values of several variants of any enums, found in one pass over all enums; in the order
    /// asked for, None for those this kernel does not have. The first enum with a variant counts.
    pub fn variant_values(&self, wanted: &[&str]) -> Vec<Option<i64>> {
        for variant in wanted {
            self.note(|| Question::Variant((*variant).to_owned()));
        }
        let names = self.index.strings(&self.bytes);
        let mut values = vec![None; wanted.len()];
        let mut missing = wanted.len();
        for &id in &self.index.enums {
            let Some(ty) = self.ty(id) else { continue };
            for (off, value) in variants(ty) {
                for (found, name) in values.iter_mut().zip(wanted) {
                    if found.is_none() && names.equal(off, name) {
                        *found = Some(value);
                        missing -= 1;
                    }
                }
                if missing == 0 {
                    return values;
                }
            }
        }
        values
    }

    /// The prototype of the kernel function `name`. None when the BTF has no such function, which
    /// is also so for inlined ones.
    pub fn function(&self, name: &str) -> Option<Prototype> {
        self.note(|| Question::Function(name.to_owned()));
        let (_, func) = self.find(name, |ty| ty.kind == Kind::Func)?;
        Prototype::of(self, self.ty(func.size_or_type)?)
    }

    /// The prototype behind a typedef of a function pointer, without its first parameter where
    /// that is a `void *`: `btf_trace_<tracepoint>` leads with a `void *__data` no program sees.
    /// None when there is no such typedef.
    pub fn typedef_proto(&self, name: &str) -> Option<Prototype> {
        self.note(|| Question::Typedef(name.to_owned()));
        let (_, typedef) = self.find(name, |ty| ty.kind == Kind::Typedef)?;
        let pointer = self
            .strip(typedef.size_or_type)
            .filter(|ty| ty.kind == Kind::Ptr)?;
        let mut proto = Prototype::of(self, self.strip(pointer.size_or_type)?)?;
        if proto
            .params
            .first()
            .is_some_and(|first| first.type_name == "void *")
        {
            proto.params.remove(0);
        }
        Some(proto)
    }

    fn ty(&self, id: u32) -> Option<Type<'_>> {
        self.index.ty(&self.bytes, id)
    }

    fn find<'a>(
        &'a self,
        name: &str,
        accept: impl Fn(&Type<'a>) -> bool,
    ) -> Option<(u32, Type<'a>)> {
        self.index.find(&self.bytes, name, accept)
    }

    fn enumeration(&self, name: &str) -> Option<(u32, Type<'_>)> {
        self.find(name, |ty| is_enum(ty) && !ty.tail.is_empty())
    }

    fn name(&self, off: u32) -> Option<&str> {
        self.index.strings(&self.bytes).name(off)
    }

    /// The struct or union of that name, or behind a typedef of that name, with its id.
    fn aggregate(&self, name: &str) -> Option<(u32, Type<'_>)> {
        let has_members = |ty: &Type<'_>| is_aggregate(ty) && !ty.tail.is_empty();
        self.find(name, has_members).or_else(|| {
            let (_, typedef) = self.find(name, |ty| ty.kind == Kind::Typedef)?;
            self.strip_id(typedef.size_or_type)
                .filter(|(_, ty)| has_members(ty))
        })
    }

    /// The type behind typedefs, qualifiers and tags. None for void and for chains without end.
    fn strip(&self, id: u32) -> Option<Type<'_>> {
        Some(self.strip_id(id)?.1)
    }

    fn strip_id(&self, mut id: u32) -> Option<(u32, Type<'_>)> {
        for _ in 0..MAX_CHAIN {
            let ty = self.ty(id)?;
            match ty.kind {
                Kind::Typedef | Kind::Volatile | Kind::Const | Kind::Restrict | Kind::TypeTag => {
                    id = ty.size_or_type;
                }
                _ => return Some((id, ty)),
            }
        }
        None
    }
}

fn is_aggregate(ty: &Type<'_>) -> bool {
    matches!(ty.kind, Kind::Struct | Kind::Union)
}

fn is_enum(ty: &Type<'_>) -> bool {
    matches!(ty.kind, Kind::Enum | Kind::Enum64)
}

/// Name offset and value of every variant; nothing for types that are no enum.
fn variants(ty: Type<'_>) -> impl Iterator<Item = (u32, i64)> + '_ {
    let signed = ty.flag;
    let narrow = (ty.kind == Kind::Enum)
        .then(|| ty.elements::<2>())
        .into_iter()
        .flatten();
    let wide = (ty.kind == Kind::Enum64)
        .then(|| ty.elements::<3>())
        .into_iter()
        .flatten();
    narrow
        .map(move |[name, value]| {
            (
                name,
                if signed {
                    i64::from(value.cast_signed())
                } else {
                    i64::from(value)
                },
            )
        })
        // Unsigned values above i64::MAX (there are a few all-ones masks) come out negative.
        .chain(wide.map(|[name, low, high]| {
            (name, (u64::from(high) << 32 | u64::from(low)).cast_signed())
        }))
}
