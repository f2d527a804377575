//! Blocks: the parts of a file, each whole and checked for itself.
//!
//! A block is a head of fixed size and a payload, each with its own checksum: lengths of a damaged
//! head are never believed, and after damage the next sound head is looked for.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use lz4_flex::block::{compress_into, get_maximum_output_size};

/// How every block begins: found again after damage.
const MARK: [u8; 4] = *b"tTb\x01";

/// Bytes of a head.
pub(super) const HEAD: usize = 56;

/// The largest payload, before and after compression; a head that claims more is damaged.
pub(super) const PAYLOAD_MOST: usize = 8 << 20;

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum BlockKind {
    /// How a file begins.
    Start = 1,
    /// Items.
    Items = 2,
    /// How a file ends.
    End = 3,
    /// Something a newer tcptrace wrote.
    Other = 255,
}

impl BlockKind {
    const fn of(number: u8) -> Self {
        match number {
            1 => Self::Start,
            2 => Self::Items,
            3 => Self::End,
            _ => Self::Other,
        }
    }
}

/// The payload is compressed.
const LZ4: u8 = 1;

/// A block's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: BlockKind,
    is_compressed: bool,
    /// Bytes of the payload in the file.
    pub(super) stored: u32,
    /// Bytes of the payload when unpacked.
    raw: u32,
    pub(super) extent: Extent,
    payload_crc: u32,
}

/// What the head of a block says of its items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    /// Events of the run before this block: those of missing blocks are counted by it.
    pub(super) events_before: u64,
    /// Events in it.
    pub(super) events: u32,
    /// Boot clock of the first and the last item, ns.
    pub(super) first_ns: u64,
    pub(super) last_ns: u64,
}

/// Makes blocks as they go into the file.
#[derive(Debug, Default)]
pub(super) struct Framer {
    /// Blocks are cut from it without being copied; it is used again once nobody has any.
    room: BytesMut,
}

impl Framer {
    /// A block.
    pub(super) fn block(&mut self, kind: BlockKind, extent: Extent, raw: &[u8]) -> Bytes {
        let room = &mut self.room;
        room.clear();
        room.resize(HEAD + get_maximum_output_size(raw.len()), 0);
        let packed = compress_into(raw, &mut room[HEAD..]).ok();
        let is_compressed = packed.is_some_and(|packed| packed < raw.len());
        let stored = packed.filter(|_| is_compressed).unwrap_or(raw.len());
        room.truncate(HEAD + stored);
        if !is_compressed {
            room.truncate(HEAD);
            room.put_slice(raw);
        }
        let (mut head, payload) = room.split_at_mut(HEAD);
        let payload_crc = crc32fast::hash(payload);
        head.put_slice(&MARK);
        head.put_u8(kind as u8);
        head.put_u8(if is_compressed { LZ4 } else { 0 });
        head.put_u16_le(0);
        head.put_u32_le(length(payload));
        head.put_u32_le(length(raw));
        head.put_u64_le(extent.events_before);
        head.put_u32_le(extent.events);
        head.put_u32_le(0);
        head.put_u64_le(extent.first_ns);
        head.put_u64_le(extent.last_ns);
        head.put_u32_le(payload_crc);
        let head_crc = crc32fast::hash(&room[..HEAD - 4]);
        (&mut room[HEAD - 4..HEAD]).put_u32_le(head_crc);
        room.split().freeze()
    }
}

fn length(bytes: &[u8]) -> u32 {
    // Nobody hands over more than PAYLOAD_MOST; more would be refused when it is read.
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// The head that begins here, if a sound one does.
pub(super) fn head(bytes: &[u8]) -> Option<Head> {
    let bytes = bytes.get(..HEAD)?;
    let (covered, crc) = bytes.split_at(HEAD - 4);
    if !covered.starts_with(&MARK) || crc32fast::hash(covered).to_le_bytes() != crc {
        return None;
    }
    let mut rest = &covered[MARK.len()..];
    let kind = BlockKind::of(rest.get_u8());
    let is_compressed = rest.get_u8() & LZ4 != 0;
    rest.advance(2);
    let (stored, raw) = (rest.get_u32_le(), rest.get_u32_le());
    let (events_before, events) = (rest.get_u64_le(), rest.get_u32_le());
    rest.advance(4);
    let head = Head {
        kind,
        is_compressed,
        stored,
        raw,
        extent: Extent {
            events_before,
            events,
            first_ns: rest.get_u64_le(),
            last_ns: rest.get_u64_le(),
        },
        payload_crc: rest.get_u32_le(),
    };
    let is_sane = |length: u32| length as usize <= PAYLOAD_MOST;
    (is_sane(head.stored) && is_sane(head.raw)).then_some(head)
}

/// Where the next sound head may begin; `None` without its mark.
pub(super) fn find_mark(bytes: &[u8]) -> Option<usize> {
    bytes.windows(MARK.len()).position(|window| window == MARK)
}

impl Head {
    /// The payload unpacked; `None` when it is damaged.
    pub(super) fn unpack(&self, payload: Bytes) -> Option<Bytes> {
        if crc32fast::hash(&payload) != self.payload_crc {
            return None;
        }
        if !self.is_compressed {
            return Some(payload);
        }
        let raw = lz4_flex::block::decompress(&payload, self.raw as usize).ok()?;
        (raw.len() == self.raw as usize).then(|| raw.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXTENT: Extent = Extent {
        events_before: 1 << 40,
        events: 7,
        first_ns: 3,
        last_ns: u64::MAX,
    };

    fn block(raw: &[u8]) -> Vec<u8> {
        let mut framer = Framer::default();
        framer.block(BlockKind::Items, EXTENT, raw).to_vec()
    }

    #[test]
    fn a_block_is_not_changed_by_the_next() {
        let mut framer = Framer::default();
        let first = framer.block(BlockKind::Items, EXTENT, b"the first");
        let kept = first.to_vec();
        framer.block(BlockKind::End, EXTENT, &[9; 5_000]);
        assert_eq!(first, kept);
    }

    #[test]
    fn a_block_is_read_as_it_was_written() {
        for raw in [Vec::new(), b"abc".to_vec(), vec![7; 100_000]] {
            let bytes = block(&raw);
            let head = head(&bytes).unwrap();
            assert_eq!((head.kind, head.extent), (BlockKind::Items, EXTENT));
            assert_eq!(head.stored as usize, bytes.len() - HEAD);
            assert_eq!(
                head.unpack(Bytes::copy_from_slice(&bytes[HEAD..])).unwrap(),
                raw
            );
        }
    }

    #[test]
    fn no_flipped_bit_goes_unnoticed() {
        let raw = b"what was recorded, what was recorded, what was recorded".repeat(3);
        let sound = block(&raw);
        for bit in 0..sound.len() * 8 {
            let mut bytes = sound.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let read =
                head(&bytes).and_then(|head| head.unpack(Bytes::copy_from_slice(&bytes[HEAD..])));
            assert_eq!(read, None, "bit {bit}");
        }
    }

    #[test]
    fn a_head_that_claims_too_much_is_not_believed() {
        let mut bytes = block(b"abc");
        bytes[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..HEAD - 4]);
        bytes[HEAD - 4..HEAD].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(head(&bytes), None);
    }
}
