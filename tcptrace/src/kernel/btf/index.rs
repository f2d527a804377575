//! One pass over the type section: where every type starts, and which named types share a hash.
//!
//! Turns a blob of unknown origin into an [`Index`] that later look-ups may trust: every recorded
//! type lies wholly inside the section. It keeps no names (only chains of equal hashes), because
//! building a map of 100,000 owned names is what makes general readers slow. It fails on the
//! first thing it does not understand; it never guesses the size of an unknown kind.

use std::ops::Range;

use super::BtfError;

const MAGIC: u16 = 0xeb9f;
const HEADER_LEN: usize = 24;
const TYPE_LEN: usize = 12;
/// Chains are about one long with as many buckets as the type section has room for types; fewer
/// buckets stay in the cache.
const MAX_BUCKETS: usize = 1 << 16;

/// The kinds of a type record, by their number in the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    fn from_number(number: u32) -> Option<Kind> {
        Some(match number {
            1 => Kind::Int,
            2 => Kind::Ptr,
            3 => Kind::Array,
            4 => Kind::Struct,
            5 => Kind::Union,
            6 => Kind::Enum,
            7 => Kind::Fwd,
            8 => Kind::Typedef,
            9 => Kind::Volatile,
            10 => Kind::Const,
            11 => Kind::Restrict,
            12 => Kind::Func,
            13 => Kind::FuncProto,
            14 => Kind::Var,
            15 => Kind::Datasec,
            16 => Kind::Float,
            17 => Kind::DeclTag,
            18 => Kind::TypeTag,
            19 => Kind::Enum64,
            _ => return None,
        })
    }

    /// Its number in the format.
    pub(super) fn number(self) -> u32 {
        // In the order of the numbers, which begin at 1.
        self as u32 + 1
    }

    /// Bytes that follow the common 12: a fixed part, and a part per element.
    fn tail(self) -> (usize, usize) {
        match self {
            Kind::Int | Kind::Var | Kind::DeclTag => (4, 0),
            Kind::Array => (12, 0),
            Kind::Struct | Kind::Union | Kind::Datasec | Kind::Enum64 => (0, 12),
            Kind::Enum | Kind::FuncProto => (0, 8),
            _ => (0, 0),
        }
    }

    /// Kinds that are asked for by name.
    fn is_looked_up(self) -> bool {
        matches!(
            self,
            Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 | Kind::Func | Kind::Typedef
        )
    }
}

/// One type record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Type<'a> {
    pub(super) kind: Kind,
    /// `kind_flag`: its meaning depends on the kind.
    pub(super) flag: bool,
    pub(super) name_off: u32,
    /// Size in bytes, or the id of the type referred to, by kind.
    pub(super) size_or_type: u32,
    /// The kind's own data, whole elements only.
    pub(super) tail: &'a [u8],
}

impl<'a> Type<'a> {
    /// The record at the start of `bytes`, and its whole length. None when cut off; the number of
    /// an unknown kind as the error.
    fn read(bytes: &'a [u8]) -> Result<Option<(Type<'a>, usize)>, u32> {
        let Some((head, rest)) = bytes.split_at_checked(TYPE_LEN) else {
            return Ok(None);
        };
        let info = word(head, 1);
        // The number of elements has 16 bits and the kind 5. The bits between and above them are
        // 0 today; taken as part of both, a longer list is still read right and a newer kind is
        // still reported by its own number.
        let number = info >> 24 & 0x7f;
        let kind = Kind::from_number(number).ok_or(number)?;
        let (fixed, each) = kind.tail();
        let len = fixed + each * (info & 0xff_ffff) as usize;
        let Some(tail) = rest.get(..len) else {
            return Ok(None);
        };
        let ty = Type {
            kind,
            flag: info >> 31 == 1,
            name_off: word(head, 0),
            size_or_type: word(head, 2),
            tail,
        };
        Ok(Some((ty, TYPE_LEN + len)))
    }

    /// The words of each element of the tail.
    pub(super) fn elements<const WORDS: usize>(self) -> impl Iterator<Item = [u32; WORDS]> + 'a {
        self.tail
            .chunks_exact(4 * WORDS)
            .map(|chunk| std::array::from_fn(|i| word(chunk, i)))
    }
}

/// The `i`th native-endian word, 0 past the end (callers have checked the length).
fn word(bytes: &[u8], i: usize) -> u32 {
    bytes
        .get(4 * i..4 * i + 4)
        .and_then(|b| b.try_into().ok())
        .map_or(0, u32::from_ne_bytes)
}

/// Where a type starts in the type section, and the next type with the same hash (0 = last).
#[derive(Clone, Copy)]
struct Slot {
    at: u32,
    next: u32,
}

/// What the pass over the type section leaves behind.
pub(super) struct Index {
    types: Range<usize>,
    strings: Range<usize>,
    /// By type id; entry 0 stands for void.
    slots: Vec<Slot>,
    buckets: Vec<u32>,
    /// Ids of every ENUM and ENUM64, for searches by variant.
    pub(super) enums: Vec<u32>,
    /// Bytes of `long unsigned int`, which Linux guarantees to be those of a pointer.
    pub(super) pointer_size: u32,
}

impl Index {
    pub(super) fn build(bytes: &[u8]) -> Result<Index, BtfError> {
        let (types, strings) = sections(bytes)?;
        let section = &bytes[types.clone()];
        let names = Strings(&bytes[strings.clone()]);
        let guess = section.len() / 24;
        let mut index = Index {
            buckets: vec![0; guess.next_power_of_two().clamp(16, MAX_BUCKETS)],
            slots: Vec::with_capacity(guess + 1),
            enums: Vec::new(),
            pointer_size: 0,
            types,
            strings,
        };
        index.slots.push(Slot { at: 0, next: 0 });
        let mut at = 0;
        while at < section.len() {
            let id = u32::try_from(index.slots.len()).map_err(|_| BtfError::Damaged {
                what: "type table (too many types)",
            })?;
            let (ty, len) = Type::read(&section[at..])
                .map_err(|kind| BtfError::UnknownKind { kind, id })?
                .ok_or(BtfError::Damaged {
                    what: "type section",
                })?;
            let mut next = 0;
            if ty.name_off != 0 && ty.kind.is_looked_up() {
                let bucket = &mut index.buckets;
                let slot = names.hash_at(ty.name_off) as usize & (bucket.len() - 1);
                next = std::mem::replace(&mut bucket[slot], id);
            }
            if matches!(ty.kind, Kind::Enum | Kind::Enum64) {
                index.enums.push(id);
            }
            if ty.kind == Kind::Int
                && index.pointer_size == 0
                && matches!(
                    names.at(ty.name_off),
                    Some(b"long unsigned int" | b"unsigned long")
                )
            {
                index.pointer_size = ty.size_or_type;
            }
            // Section lengths are u32 in the header, so every offset fits.
            index.slots.push(Slot {
                at: at as u32,
                next,
            });
            at += len;
        }
        Ok(index)
    }

    /// The type with this id. None for void (0) and for ids this blob does not have.
    pub(super) fn ty<'a>(&self, bytes: &'a [u8], id: u32) -> Option<Type<'a>> {
        if id == 0 {
            return None;
        }
        let at = self.slots.get(id as usize)?.at as usize;
        let (ty, _) = Type::read(bytes.get(self.types.clone())?.get(at..)?).ok()??;
        Some(ty)
    }

    /// The string section.
    pub(super) fn strings<'a>(&self, bytes: &'a [u8]) -> Strings<'a> {
        Strings(bytes.get(self.strings.clone()).unwrap_or_default())
    }

    /// Every id but void's, from the lowest on.
    pub(super) fn ids(&self) -> Range<u32> {
        // `build` has checked that the number of types fits.
        1..u32::try_from(self.slots.len()).unwrap_or(u32::MAX)
    }

    /// The first type (lowest id) of this name that `accept` takes, with its id.
    pub(super) fn find<'a>(
        &self,
        bytes: &'a [u8],
        name: &str,
        accept: impl Fn(&Type<'a>) -> bool,
    ) -> Option<(u32, Type<'a>)> {
        let names = self.strings(bytes);
        let bucket = hash(&padded(name.as_bytes())) as usize & (self.buckets.len() - 1);
        let mut id = *self.buckets.get(bucket)?;
        let mut found = None;
        // A chain runs from the highest id down, so the last match is the first type.
        while let Some(ty) = self.ty(bytes, id) {
            if names.equal(ty.name_off, name) && accept(&ty) {
                found = Some((id, ty));
            }
            id = self.slots.get(id as usize)?.next;
        }
        found
    }
}

fn sections(bytes: &[u8]) -> Result<(Range<usize>, Range<usize>), BtfError> {
    let header = bytes.get(..HEADER_LEN).ok_or(BtfError::Damaged {
        what: "header (24 bytes)",
    })?;
    match u16::from_ne_bytes([header[0], header[1]]) {
        MAGIC => {}
        magic if magic.swap_bytes() == MAGIC => return Err(BtfError::ForeignEndian),
        magic => return Err(BtfError::BadMagic { magic }),
    }
    if header[2] != 1 {
        return Err(BtfError::Version { version: header[2] });
    }
    let header_len = word(header, 1);
    let section = |off: u32, len: u32, what: &'static str| {
        let start = u64::from(header_len) + u64::from(off);
        let end = start + u64::from(len);
        match (usize::try_from(start), usize::try_from(end)) {
            (Ok(start), Ok(end)) if end <= bytes.len() => Ok(start..end),
            _ => Err(BtfError::Damaged { what }),
        }
    };
    if (header_len as usize) < HEADER_LEN {
        return Err(BtfError::Damaged {
            what: "header (its own length is too small)",
        });
    }
    let types = section(word(header, 2), word(header, 3), "type section")?;
    let strings = section(word(header, 4), word(header, 5), "string section")?;
    match (
        bytes[strings.clone()].first(),
        bytes[strings.clone()].last(),
    ) {
        (Some(0), Some(0)) => Ok((types, strings)),
        _ => Err(BtfError::Damaged {
            what: "string section (no NUL at both ends)",
        }),
    }
}

/// The kernel's own limit for an identifier, with its NUL.
const MAX_NAME: usize = 512;
/// Only this much of a name is hashed: enough to distinguish nearly all, and without a loop.
const HASHED: usize = 24;

/// The NUL-terminated names of a blob.
#[derive(Clone, Copy)]
pub(super) struct Strings<'a>(&'a [u8]);

impl<'a> Strings<'a> {
    /// The name at an offset, without its NUL. None when the offset is outside, or the name longer
    /// than the kernel accepts.
    pub(super) fn at(self, off: u32) -> Option<&'a [u8]> {
        let rest = self.0.get(off as usize..)?;
        let len = rest.iter().take(MAX_NAME).position(|&b| b == 0)?;
        rest.get(..len)
    }

    /// The name at an offset. None when it is empty or no UTF-8.
    pub(super) fn name(self, off: u32) -> Option<&'a str> {
        std::str::from_utf8(self.at(off)?)
            .ok()
            .filter(|name| !name.is_empty())
    }

    pub(super) fn equal(self, off: u32, name: &str) -> bool {
        let rest = self.0.get(off as usize..).unwrap_or_default();
        rest.starts_with(name.as_bytes()) && rest.get(name.len()) == Some(&0)
    }

    fn hash_at(self, off: u32) -> u32 {
        let off = off as usize;
        match self
            .0
            .get(off..off.saturating_add(HASHED))
            .and_then(|head| head.try_into().ok())
        {
            Some(head) => hash(head),
            None => hash(&padded(self.0.get(off..).unwrap_or_default())),
        }
    }
}

fn padded(name: &[u8]) -> [u8; HASHED] {
    let mut head = [0; HASHED];
    for (to, &from) in head.iter_mut().zip(name) {
        *to = from;
    }
    head
}

/// A hash of the bytes before the first NUL, or of all of them.
fn hash(head: &[u8; HASHED]) -> u32 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let mut state = 0_u64;
    for chunk in head.chunks_exact(8) {
        let word = chunk.try_into().map_or(0, u64::from_le_bytes);
        // The lowest set bit marks the first NUL; what lies above it belongs to the next string.
        let nul = word.wrapping_sub(ONES) & !word & HIGH;
        let keep = if nul == 0 {
            u64::MAX
        } else {
            (nul & nul.wrapping_neg()).wrapping_sub(1)
        };
        // The byte with the marker is 0, but for its low seven bits, which the mask lets through.
        state = (state.rotate_left(26) ^ (word & keep)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        if nul != 0 {
            break;
        }
    }
    (state >> 40) as u32
}
