//! A path of member names -> where that member lies in its struct.
//!
//! Works on types whose records are known to be whole; everything they refer to may still be
//! missing, cyclic or absurdly large, so depth, steps and sums are limited and a path beyond the
//! limits is None.

use super::index::{Kind, Type};
use super::{Btf, MAX_CHAIN, is_aggregate};

/// How deep anonymous structs and unions may nest.
const MAX_DEPTH: usize = 16;
/// How many members may be looked at for one path. The largest kernel structs have under 500.
const MAX_STEPS: usize = 1 << 16;

/// Where a member lies and what kind of value it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Offset in bytes from the start of the outermost struct; of a bitfield's first bit.
    pub byte_offset: u32,
    /// First bit within that byte, counted as the kernel does: from the lowest bit on little
    /// endian machines. 0 for all but bitfields.
    pub bit_offset: u8,
    /// Width of a bitfield in bits, 0 for members that are none.
    pub bits: u8,
    /// Bytes of the member's type; of the whole array for an array; 0 when the type has no size
    /// (a flexible array, or a damaged type).
    pub size: u32,
    /// The value is an address.
    pub is_pointer: bool,
    /// The value is a signed integer or enum.
    pub signed: bool,
}

/// A member as written in its struct, with its offset from the struct first asked for.
#[derive(Clone, Copy)]
struct Member {
    bit_offset: u64,
    bitfield_width: u8,
    type_id: u32,
}

/// The place of `path` within `outer`, see [`Btf::field`].
pub(super) fn locate(btf: &Btf, outer: Type<'_>, path: &str) -> Option<Field> {
    let mut steps = MAX_STEPS;
    let mut inside = outer;
    let mut base_bits = 0;
    let mut segments = path.split('.').peekable();
    loop {
        let name = segments.next()?;
        let mut member = search(btf, inside, name, MAX_DEPTH, &mut steps)?;
        member.bit_offset = member.bit_offset.checked_add(base_bits)?;
        if segments.peek().is_none() {
            return describe(btf, member);
        }
        base_bits = member.bit_offset;
        inside = element(btf, member.type_id).filter(is_aggregate)?;
    }
}

fn search(
    btf: &Btf,
    inside: Type<'_>,
    name: &str,
    depth: usize,
    steps: &mut usize,
) -> Option<Member> {
    if name.is_empty() {
        return None;
    }
    let names = btf.index.strings(&btf.bytes);
    for [name_off, type_id, offset] in inside.elements::<3>() {
        *steps = steps.checked_sub(1)?;
        // With the struct's flag set an offset carries a bitfield's width in its highest byte.
        let (bit_offset, width) = if inside.flag {
            (offset & 0xff_ffff, (offset >> 24) as u8)
        } else {
            (offset, 0)
        };
        let bit_offset = u64::from(bit_offset);
        if names.equal(name_off, name) {
            return Some(Member {
                bit_offset,
                bitfield_width: width,
                type_id,
            });
        }
        if names.equal(name_off, "")
            && let Some(nested) = btf.strip(type_id).filter(is_aggregate)
            && let Some(depth) = depth.checked_sub(1)
            && let Some(found) = search(btf, nested, name, depth, steps)
        {
            return Some(Member {
                bit_offset: found.bit_offset.checked_add(bit_offset)?,
                ..found
            });
        }
    }
    None
}

/// The type of a member, or of its elements where it is an array.
fn element(btf: &Btf, type_id: u32) -> Option<Type<'_>> {
    let mut ty = btf.strip(type_id)?;
    for _ in 0..MAX_CHAIN {
        if ty.kind != Kind::Array {
            return Some(ty);
        }
        let [of, _index, _count] = ty.elements::<3>().next()?;
        ty = btf.strip(of)?;
    }
    None
}

fn describe(btf: &Btf, member: Member) -> Option<Field> {
    let ty = btf.strip(member.type_id);
    let mut bits = member.bitfield_width;
    let mut bit_offset = member.bit_offset;
    let mut signed = false;
    if let Some(ty) = ty
        && ty.kind == Kind::Int
        && let Some([encoding]) = ty.elements::<1>().next()
    {
        signed = encoding >> 24 & 1 == 1;
        // Without the struct's flag, a bitfield is an integer type narrower than its bytes.
        let (shift, width) = (encoding >> 16 & 0xff, encoding & 0xff);
        if bits == 0 && (u64::from(width) != u64::from(ty.size_or_type) * 8 || shift != 0) {
            bit_offset = bit_offset.checked_add(u64::from(shift))?;
            bits = width as u8;
        }
    }
    if let Some(ty) = ty
        && matches!(ty.kind, Kind::Enum | Kind::Enum64)
    {
        signed = ty.flag;
    }
    Some(Field {
        byte_offset: u32::try_from(bit_offset / 8).ok()?,
        bit_offset: (bit_offset % 8) as u8,
        bits,
        size: size_of(btf, member.type_id).unwrap_or(0),
        is_pointer: ty.is_some_and(|ty| ty.kind == Kind::Ptr),
        signed,
    })
}

fn size_of(btf: &Btf, type_id: u32) -> Option<u32> {
    let mut count = 1_u32;
    let mut ty = btf.strip(type_id)?;
    for _ in 0..MAX_CHAIN {
        let size = match ty.kind {
            Kind::Int | Kind::Float | Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 => {
                ty.size_or_type
            }
            Kind::Ptr => btf.index.pointer_size,
            Kind::Array => {
                let [of, _index, elements] = ty.elements::<3>().next()?;
                count = count.checked_mul(elements)?;
                ty = btf.strip(of)?;
                continue;
            }
            _ => return None,
        };
        return count.checked_mul(size);
    }
    None
}
