//! How BTF lies in memory: header, a section of variable-length types, a section of strings.

use super::BtfError;

const MAGIC: u16 = 0xeb9f;
/// `struct btf_header` up to `str_len`.
const HEADER: usize = 24;
/// `struct btf_type`: name, info, size or type.
const TYPE: usize = 12;

/// Kinds of types, by number (`include/uapi/linux/btf.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the kernel's own names")]
pub(super) enum Kind {
    Int,
    Ptr,
    Array,
    Struct,
    Union,
    Enum,
    Fwd,
    Typedef,
    Volatile,
    Const,
    Restrict,
    Func,
    FuncProto,
    Var,
    Datasec,
    Float,
    DeclTag,
    TypeTag,
    Enum64,
}

impl Kind {
    const ALL: [Self; 19] = [
        Self::Int,
        Self::Ptr,
        Self::Array,
        Self::Struct,
        Self::Union,
        Self::Enum,
        Self::Fwd,
        Self::Typedef,
        Self::Volatile,
        Self::Const,
        Self::Restrict,
        Self::Func,
        Self::FuncProto,
        Self::Var,
        Self::Datasec,
        Self::Float,
        Self::DeclTag,
        Self::TypeTag,
        Self::Enum64,
    ];

    /// Kinds are numbered from 1.
    fn from_number(number: u32) -> Option<Self> {
        Self::ALL
            .get(usize::try_from(number).ok()?.checked_sub(1)?)
            .copied()
    }

    /// Bytes that follow the type itself, for `len` elements.
    fn trailer(self, len: usize) -> usize {
        match self {
            Self::Int | Self::Var | Self::DeclTag => 4,
            Self::Array => 12,
            Self::Struct | Self::Union | Self::Datasec | Self::Enum64 => len * 12,
            Self::Enum | Self::FuncProto => len * 8,
            _ => 0,
        }
    }

    /// Stands for another type without changing its layout.
    pub(super) fn is_transparent(self) -> bool {
        matches!(
            self,
            Self::Typedef | Self::Volatile | Self::Const | Self::Restrict | Self::TypeTag
        )
    }

    /// Looked up by name.
    fn is_indexed(self) -> bool {
        matches!(
            self,
            Self::Struct | Self::Union | Self::Enum | Self::Enum64 | Self::Typedef | Self::Func
        )
    }
}

/// One type: copied out of the section, with where its elements begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct TypeRef {
    name_at: u32,
    kind: Kind,
    flag: bool,
    len: usize,
    size: u32,
    elements: usize,
}

impl TypeRef {
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Union instead of structure (Fwd), bit fields (Struct), signed (Enum).
    pub(super) fn flag(&self) -> bool {
        self.flag
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Size in bytes, or the id of the type it refers to: one field, by kind.
    pub(super) fn size(&self) -> u32 {
        self.size
    }

    pub(super) fn name_at(&self) -> u32 {
        self.name_at
    }
}

/// The two sections, and where each type lies.
#[derive(Debug)]
pub(super) struct Types {
    bytes: Vec<u8>,
    strings: std::ops::Range<usize>,
    /// Position of each type; ids count from 1.
    positions: Vec<u32>,
    /// Hash of each type's name; 0 = not looked up by name.
    hashes: Vec<u32>,
}

impl Types {
    pub(super) fn index(bytes: Vec<u8>) -> Result<Self, BtfError> {
        let (types, strings) = sections(&bytes)?;
        let mut index = Self {
            bytes,
            strings,
            positions: Vec::new(),
            hashes: Vec::new(),
        };
        // A kernel's types take about 20 bytes each.
        index.positions.reserve(types.len() / 20);
        index.hashes.reserve(types.len() / 20);
        let mut at = types.start;
        while at < types.end {
            let found = index.read(at)?;
            let next = found.elements + found.kind.trailer(found.len);
            if next > types.end {
                return Err(malformed("a type reaches past the end of its section"));
            }
            let is_named = found.name_at != 0 && found.kind.is_indexed();
            let hash = if is_named {
                hash(index.raw_text(found.name_at))
            } else {
                0
            };
            index
                .positions
                .push(u32::try_from(at).map_err(|_| malformed("too large"))?);
            index.hashes.push(hash);
            at = next;
        }
        Ok(index)
    }

    fn read(&self, at: usize) -> Result<TypeRef, BtfError> {
        let (Some(name_at), Some(info), Some(size)) =
            (self.word(at), self.word(at + 4), self.word(at + 8))
        else {
            return Err(malformed("a type is cut short"));
        };
        let number = info >> 24 & 0x1f;
        let Some(kind) = Kind::from_number(number) else {
            return Err(BtfError::Malformed(format!(
                "type kind {number} is unknown: this kernel's BTF is newer than this tcptrace"
            )));
        };
        Ok(TypeRef {
            name_at,
            kind,
            flag: info >> 31 != 0,
            len: (info & 0xffff) as usize,
            size,
            elements: at + TYPE,
        })
    }

    /// The type of an id; `None` for void (0) and ids that do not exist.
    pub(super) fn at(&self, id: u32) -> Option<TypeRef> {
        let position = *self
            .positions
            .get(usize::try_from(id).ok()?.checked_sub(1)?)?;
        self.read(position as usize).ok()
    }

    /// Every type.
    pub(super) fn all(&self) -> impl Iterator<Item = TypeRef> {
        self.positions
            .iter()
            .filter_map(|position| self.read(*position as usize).ok())
    }

    /// The types of that name and one of these kinds.
    pub(super) fn named<'a>(
        &'a self,
        name: &'a str,
        kinds: &'a [Kind],
    ) -> impl Iterator<Item = TypeRef> + 'a {
        let wanted = hash(name.as_bytes());
        let candidates = self
            .hashes
            .iter()
            .zip(&self.positions)
            .filter(move |(h, _)| **h == wanted);
        candidates
            .filter_map(|(_, position)| self.read(*position as usize).ok())
            .filter(move |t| kinds.contains(&t.kind) && self.is_text(t.name_at, name))
    }

    /// Name, type, offset in bits, width of a bit field (0 = none) of each member.
    pub(super) fn members(&self, of: TypeRef) -> impl Iterator<Item = (u32, u32, u32, u8)> {
        (0..of.len).map_while(move |place| {
            let at = of.elements + place * 12;
            let (name_at, type_id, offset) =
                (self.word(at)?, self.word(at + 4)?, self.word(at + 8)?);
            Some(if of.flag {
                (name_at, type_id, offset & 0x00ff_ffff, (offset >> 24) as u8)
            } else {
                (name_at, type_id, offset, 0)
            })
        })
    }

    /// Name and type of each parameter.
    pub(super) fn params(&self, of: TypeRef) -> impl Iterator<Item = (u32, u32)> {
        (0..of.len).map_while(move |place| {
            let at = of.elements + place * 8;
            Some((self.word(at)?, self.word(at + 4)?))
        })
    }

    /// Name and value of each enum variant.
    pub(super) fn variants(&self, of: TypeRef) -> impl Iterator<Item = (u32, i64)> {
        let is_wide = of.kind == Kind::Enum64;
        (0..of.len).map_while(move |place| {
            let at = of.elements + place * if is_wide { 12 } else { 8 };
            let (name_at, low) = (self.word(at)?, self.word(at + 4)?);
            let value = if is_wide {
                i64::from(low) | (i64::from(self.word(at + 8)?) << 32)
            } else if of.flag {
                i64::from(low.cast_signed())
            } else {
                i64::from(low)
            };
            Some((name_at, value))
        })
    }

    /// Type of an array's elements.
    pub(super) fn element(&self, of: TypeRef) -> Option<u32> {
        self.word(of.elements)
    }

    /// A name; `None` when it is not UTF-8 or not there.
    pub(super) fn text(&self, at: u32) -> Option<&str> {
        std::str::from_utf8(self.raw_text(at)).ok()
    }

    /// Whether a name is this one.
    pub(super) fn is_text(&self, at: u32, text: &str) -> bool {
        let start = self.strings.start.saturating_add(at as usize);
        let end = start.saturating_add(text.len());
        end < self.strings.end
            && self.bytes.get(start..end) == Some(text.as_bytes())
            && self.bytes.get(end) == Some(&0)
    }

    /// Bytes of a name, without its NUL; empty when it is not there.
    fn raw_text(&self, at: u32) -> &[u8] {
        let start = self.strings.start.saturating_add(at as usize);
        let section = self.bytes.get(start..self.strings.end).unwrap_or_default();
        let end = section
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(section.len());
        section.get(..end).unwrap_or_default()
    }

    fn word(&self, at: usize) -> Option<u32> {
        word(&self.bytes, at)
    }
}

fn sections(bytes: &[u8]) -> Result<(std::ops::Range<usize>, std::ops::Range<usize>), BtfError> {
    let magic = bytes.get(..2).map(|m| u16::from_ne_bytes([m[0], m[1]]));
    match magic {
        Some(MAGIC) => {}
        Some(other) if other == MAGIC.swap_bytes() => {
            return Err(malformed("it is of the other byte order"));
        }
        _ => return Err(malformed("no BTF magic at its start")),
    }
    let field = |place: usize| word(bytes, place).map(|value| value as usize);
    let (Some(header), Some(type_at), Some(type_len), Some(str_at), Some(str_len)) =
        (field(4), field(8), field(12), field(16), field(20))
    else {
        return Err(malformed("its header is cut short"));
    };
    if header < HEADER {
        return Err(malformed("its header is too small"));
    }
    let section = |at: usize, len: usize| {
        let start = header.checked_add(at)?;
        let end = start.checked_add(len)?;
        (end <= bytes.len()).then_some(start..end)
    };
    match (section(type_at, type_len), section(str_at, str_len)) {
        (Some(types), Some(strings)) => Ok((types, strings)),
        _ => Err(malformed("a section reaches past the end")),
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes([four[0], four[1], four[2], four[3]]))
}

/// FNV-1a; 0 is kept for "not indexed".
fn hash(text: &[u8]) -> u32 {
    let step = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    text.iter().fold(0x811c_9dc5, step).max(1)
}

fn malformed(what: &str) -> BtfError {
    BtfError::Malformed(what.to_owned())
}
