//! Any bytes as a recording: what is sound in it is read, the rest becomes gaps, and reading ends.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::ops::ControlFlow;
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use rustix::fs::{MemfdFlags, memfd_create};
use tcptrace::recording::Reader;

/// How a file begins, before its first block.
const PREFACE: &[u8; 16] = b"tcptrace\x01\0\0\0\0\0\0\0";
const MARK: &[u8; 4] = b"tTb\x01";
/// More blocks than an input can have.
const MOST_STEPS: usize = 1 << 20;

/// A file in memory, the same for all inputs.
static INPUT: Mutex<Option<File>> = Mutex::new(None);

/// The first byte says whether the rest is a file as it is, or pieces that get sound checksums.
pub fn run(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else {
        return;
    };
    // A real recording begins with its magic: it is taken as it is.
    let bytes = match choice {
        0 => framed(rest),
        1 => [PREFACE, rest].concat(),
        _ => data.to_vec(),
    };
    let mut input = INPUT.lock().unwrap_or_else(PoisonError::into_inner);
    let file = input.get_or_insert_with(|| {
        File::from(memfd_create("recording", MemfdFlags::CLOEXEC).expect("memory for an input"))
    });
    file.set_len(0).expect("an empty file");
    file.rewind().expect("its beginning");
    file.write_all(&bytes).expect("room for an input");
    read(&PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd())));
}

fn read(path: &PathBuf) {
    let Ok(mut reader) = Reader::open(std::slice::from_ref(path)) else {
        return;
    };
    let _ = reader.facts();
    for _ in 0..MOST_STEPS {
        let mut take = |_| ControlFlow::Continue(());
        match reader.step(&mut take) {
            Ok(true) => {}
            Ok(false) | Err(_) => return,
        }
    }
    panic!("reading does not end");
}

/// Blocks with sound heads and checksums around pieces of `data`: each piece begins with its length,
/// kind, flags and number of events.
fn framed(mut data: &[u8]) -> Vec<u8> {
    let mut bytes = PREFACE.to_vec();
    while let [low, high, kind, flags, events, rest @ ..] = data {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let (payload, after) = rest.split_at(length);
        block(&mut bytes, *kind, *flags, *events, payload);
        data = after;
    }
    bytes
}

fn block(bytes: &mut Vec<u8>, kind: u8, flags: u8, events: u8, payload: &[u8]) {
    let start = bytes.len();
    let stored = payload.len() as u32;
    // What an LZ4 payload unpacks to has to be announced: a small multiple is right often enough.
    let raw = if flags & 1 == 0 {
        stored
    } else {
        stored * u32::from(flags >> 1)
    };
    bytes.extend(MARK);
    bytes.extend([kind, flags & 1, 0, 0]);
    bytes.extend(stored.to_le_bytes());
    bytes.extend(raw.to_le_bytes());
    bytes.extend(u64::from(events / 2).to_le_bytes());
    bytes.extend(u32::from(events).to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(1_000_u64.to_le_bytes());
    bytes.extend(2_000_u64.to_le_bytes());
    bytes.extend(crc32fast::hash(payload).to_le_bytes());
    let head_crc = crc32fast::hash(&bytes[start..]);
    bytes.extend(head_crc.to_le_bytes());
    bytes.extend(payload);
}
