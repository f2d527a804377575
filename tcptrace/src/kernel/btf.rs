//! A small reader of the kernel's type information (/sys/kernel/btf/vmlinux).
//!
//! One pass records where each type lies and a hash of its name; look-ups then scan the hashes.
//! That costs a few milliseconds for a whole kernel, where general readers take 50 times that.
//! Never panics and never loops: what is malformed is an error, what is not found is `None`,
//! chains of types are followed to a fixed depth.

use std::fs;
use std::io;

use layout::{Kind, TypeRef, Types};

mod layout;

/// Chains of typedefs and qualifiers, and nesting of anonymous members, longer than this are not
/// the kernel's.
const DEPTH: u32 = 32;
/// Members looked at in one search: more than any kernel structure nests.
const MEMBERS: u32 = 100_000;

/// Why BTF could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BtfError {
    /// The kernel does not have it.
    #[error(
        "this kernel has no BTF ({PATH} is missing): it needs CONFIG_DEBUG_INFO_BTF=y, as the \
         kernels of Debian 11, Ubuntu 20.10, Fedora 31, RHEL 8.2 and later have"
    )]
    Absent,
    /// It could not be read.
    #[error("cannot read {PATH}: {0}")]
    Unreadable(#[source] io::Error),
    /// It is not BTF, or of another byte order, or cut short.
    #[error("malformed BTF: {0}")]
    Malformed(String),
}

const PATH: &str = "/sys/kernel/btf/vmlinux";

/// A member of a structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// From the start of the structure.
    pub byte_offset: u32,
    /// First bit within that byte, for bit fields.
    pub bit_offset: u8,
    /// Width of a bit field; 0 = not a bit field.
    pub bits: u8,
}

/// A parameter of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// Prototypes of tracepoints have no names.
    pub name: Option<String>,
    /// In C's form, e.g. `const struct sock *`.
    pub type_name: String,
}

/// A function's prototype.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prototype {
    /// In order.
    pub params: Vec<Param>,
    /// Type of the result.
    pub result: String,
}

/// The types of a kernel.
#[derive(Debug)]
pub struct Btf {
    types: Types,
}

impl Btf {
    /// The running kernel's.
    ///
    /// # Errors
    /// When the kernel has none, or it cannot be read.
    pub fn from_kernel() -> Result<Self, BtfError> {
        let bytes = fs::read(PATH).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => BtfError::Absent,
            _ => BtfError::Unreadable(error),
        })?;
        Self::parse(bytes)
    }

    /// Reads a whole file's content.
    ///
    /// # Errors
    /// When it is not well-formed BTF of this machine's byte order.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, BtfError> {
        Ok(Self {
            types: Types::index(bytes)?,
        })
    }

    /// A member by its path (`skc_net.net`), anonymous unions and structures looked through. Of
    /// several structures with that name the first that has the member counts.
    pub fn field(&self, strukt: &str, path: &str) -> Option<Field> {
        self.types
            .named(strukt, &[Kind::Struct, Kind::Union])
            .find_map(|outer| self.path_in(outer, path))
    }

    /// Size of a structure in bytes.
    pub fn struct_size(&self, strukt: &str) -> Option<u32> {
        self.types
            .named(strukt, &[Kind::Struct, Kind::Union])
            .next()
            .map(|t| t.size())
    }

    /// Names and values of an enum.
    pub fn enum_values(&self, name: &str) -> Option<Vec<(&str, i64)>> {
        let found = self
            .types
            .named(name, &[Kind::Enum, Kind::Enum64])
            .find(|t| t.len() > 0)?;
        Some(
            self.types
                .variants(found)
                .filter_map(|(n, v)| Some((self.types.text(n)?, v)))
                .collect(),
        )
    }

    /// Values of enum variants by name, anonymous enums included; one pass for all of them.
    pub fn variants(&self, names: &[&str]) -> Vec<Option<i64>> {
        let mut found = vec![None; names.len()];
        let enums = self
            .types
            .all()
            .filter(|t| matches!(t.kind(), Kind::Enum | Kind::Enum64));
        for (name_at, value) in enums.flat_map(|t| self.types.variants(t)) {
            for (place, name) in found.iter_mut().zip(names) {
                if place.is_none() && self.types.is_text(name_at, name) {
                    *place = Some(value);
                }
            }
        }
        found
    }

    /// A function's prototype; `None` if the kernel has no such function (inlined, renamed).
    pub fn function(&self, name: &str) -> Option<Prototype> {
        let function = self.types.named(name, &[Kind::Func]).next()?;
        self.prototype(self.types.at(function.size())?)
    }

    /// The prototype behind `typedef R (*name)(void *, ...)`: how tracepoints are declared. The
    /// leading `void *` is left out.
    pub fn typedef_proto(&self, name: &str) -> Option<Prototype> {
        let typedef = self.types.named(name, &[Kind::Typedef]).next()?;
        let pointer = self.types.at(typedef.size())?;
        let mut prototype = self.prototype(self.types.at(pointer.size())?)?;
        if !prototype.params.is_empty() {
            prototype.params.remove(0);
        }
        Some(prototype)
    }

    fn prototype(&self, of: TypeRef) -> Option<Prototype> {
        if of.kind() != Kind::FuncProto {
            return None;
        }
        let params = self.types.params(of).map(|(name_at, type_id)| Param {
            name: self
                .types
                .text(name_at)
                .filter(|name| !name.is_empty())
                .map(str::to_owned),
            type_name: self.type_name(type_id, DEPTH),
        });
        Some(Prototype {
            params: params.collect(),
            result: self.type_name(of.size(), DEPTH),
        })
    }

    fn path_in(&self, outer: TypeRef, path: &str) -> Option<Field> {
        let mut bits = 0_u32;
        let mut inside = outer;
        let mut names = path.split('.').peekable();
        while let Some(name) = names.next() {
            let mut budget = MEMBERS;
            let (offset, width, type_id) = self.member(inside, name, DEPTH, &mut budget)?;
            bits = bits.checked_add(offset)?;
            if names.peek().is_none() {
                return Some(Field {
                    byte_offset: bits / 8,
                    bit_offset: u8::try_from(bits % 8).ok()?,
                    bits: width,
                });
            }
            inside = self.resolve(type_id)?;
        }
        None
    }

    /// Offset in bits, width of a bit field, and type of a member.
    fn member(
        &self,
        of: TypeRef,
        name: &str,
        depth: u32,
        budget: &mut u32,
    ) -> Option<(u32, u8, u32)> {
        if depth == 0 || !matches!(of.kind(), Kind::Struct | Kind::Union) {
            return None;
        }
        for (name_at, type_id, offset, width) in self.types.members(of) {
            *budget = budget.checked_sub(1)?;
            if self.types.is_text(name_at, name) {
                return Some((offset, width, type_id));
            }
            if name_at == 0 {
                let nested = self.resolve(type_id)?;
                if let Some((inner, width, id)) = self.member(nested, name, depth - 1, budget) {
                    return Some((offset.checked_add(inner)?, width, id));
                }
            }
        }
        None
    }

    /// The type behind typedefs, qualifiers, tags and arrays.
    fn resolve(&self, mut type_id: u32) -> Option<TypeRef> {
        for _ in 0..DEPTH {
            let found = self.types.at(type_id)?;
            type_id = match found.kind() {
                kind if kind.is_transparent() => found.size(),
                Kind::Array => self.types.element(found)?,
                _ => return Some(found),
            };
        }
        None
    }

    fn type_name(&self, type_id: u32, depth: u32) -> String {
        let Some(found) = self.types.at(type_id).filter(|_| depth > 0) else {
            return if type_id == 0 {
                "void".to_owned()
            } else {
                "?".to_owned()
            };
        };
        let own = || self.types.text(found.name_at()).unwrap_or("?").to_owned();
        let inner = || self.type_name(found.size(), depth - 1);
        match found.kind() {
            Kind::Struct => format!("struct {}", own()),
            Kind::Union => format!("union {}", own()),
            Kind::Enum | Kind::Enum64 => format!("enum {}", own()),
            Kind::Fwd => format!(
                "{} {}",
                if found.flag() { "union" } else { "struct" },
                own()
            ),
            Kind::Ptr => {
                let inner = inner();
                format!("{inner}{}*", if inner.ends_with('*') { "" } else { " " })
            }
            Kind::Const => format!("const {}", inner()),
            Kind::Volatile => format!("volatile {}", inner()),
            kind if kind.is_transparent() && kind != Kind::Typedef => inner(),
            Kind::FuncProto => "function".to_owned(),
            Kind::Array => self.types.element(found).map_or_else(
                || "?".to_owned(),
                |id| format!("{}[]", self.type_name(id, depth - 1)),
            ),
            _ => own(),
        }
    }
}
