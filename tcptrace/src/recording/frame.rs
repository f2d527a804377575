//! Blocks: the parts of a file, each whole and checked for itself.
//!
//! A block is a head of fixed size and a payload, each with its own checksum: lengths of a damaged
//! head are never believed, and after damage the next sound head is looked for.

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

/// A block as it goes into the file.
pub(super) fn block(kind: BlockKind, extent: Extent, raw: &[u8]) -> Vec<u8> {
    let packed = lz4_flex::block::compress(raw);
    let is_compressed = packed.len() < raw.len();
    let payload = if is_compressed { &packed } else { raw };
    let mut bytes = Vec::with_capacity(HEAD + payload.len());
    bytes.extend_from_slice(&MARK);
    bytes.push(kind as u8);
    bytes.push(if is_compressed { LZ4 } else { 0 });
    bytes.extend_from_slice(&[0; 2]);
    bytes.extend_from_slice(&length(payload).to_le_bytes());
    bytes.extend_from_slice(&length(raw).to_le_bytes());
    bytes.extend_from_slice(&extent.events_before.to_le_bytes());
    bytes.extend_from_slice(&extent.events.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&extent.first_ns.to_le_bytes());
    bytes.extend_from_slice(&extent.last_ns.to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(payload).to_le_bytes());
    let head_crc = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&head_crc.to_le_bytes());
    bytes.extend_from_slice(payload);
    bytes
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
    let head = Head {
        kind: BlockKind::of(bytes[4]),
        is_compressed: bytes[5] & LZ4 != 0,
        stored: number32(bytes, 8),
        raw: number32(bytes, 12),
        extent: Extent {
            events_before: number64(bytes, 16),
            events: number32(bytes, 24),
            first_ns: number64(bytes, 32),
            last_ns: number64(bytes, 40),
        },
        payload_crc: number32(bytes, 48),
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
    pub(super) fn unpack(&self, payload: &[u8]) -> Option<Vec<u8>> {
        if crc32fast::hash(payload) != self.payload_crc {
            return None;
        }
        if !self.is_compressed {
            return Some(payload.to_vec());
        }
        let raw = lz4_flex::block::decompress(payload, self.raw as usize).ok()?;
        (raw.len() == self.raw as usize).then_some(raw)
    }
}

fn number32(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

fn number64(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
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

    #[test]
    fn a_block_is_read_as_it_was_written() {
        for raw in [Vec::new(), b"abc".to_vec(), vec![7; 100_000]] {
            let bytes = block(BlockKind::Items, EXTENT, &raw);
            let head = head(&bytes).unwrap();
            assert_eq!((head.kind, head.extent), (BlockKind::Items, EXTENT));
            assert_eq!(head.stored as usize, bytes.len() - HEAD);
            assert_eq!(head.unpack(&bytes[HEAD..]).unwrap(), raw);
        }
    }

    #[test]
    fn no_flipped_bit_goes_unnoticed() {
        let raw = b"what was heard, what was heard, what was heard".repeat(3);
        let sound = block(BlockKind::Items, EXTENT, &raw);
        for bit in 0..sound.len() * 8 {
            let mut bytes = sound.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let read = head(&bytes).and_then(|head| head.unpack(&bytes[HEAD..]));
            assert_eq!(read, None, "bit {bit}");
        }
    }

    #[test]
    fn a_head_that_claims_too_much_is_not_believed() {
        let mut bytes = block(BlockKind::Items, EXTENT, b"abc");
        bytes[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..HEAD - 4]);
        bytes[HEAD - 4..HEAD].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(head(&bytes), None);
    }
}
