//! What is written is read again, and whatever happens to a file in between.

mod damage;
mod events;
mod files;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::recorder::Want;
use super::*;
use crate::model::{Clock, KindSet};

/// A directory of this test, gone with it.
struct Room(PathBuf);

impl Room {
    fn new(name: &str) -> Self {
        let unique = format!("tcptrace-recording-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(unique);
        drop(std::fs::remove_dir_all(&path));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("a.rec")
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn plain(path: &Path) -> Files {
    Files {
        path: path.to_owned(),
        max_bytes: None,
        rotation: None,
        overwrites: false,
    }
}

fn start() -> Start {
    let counters = Counters::from([("TcpExt.ListenOverflows".to_owned(), 77)]);
    Start {
        run: [9; 16],
        sequence: 0,
        facts: Some(RunFacts {
            host_name: Some("db-1".to_owned()),
            kernel: "6.1.0".to_owned(),
            version: "0.1.0".to_owned(),
            clock: Clock {
                boot_to_wall_ns: -5,
                start_boot_ns: 1_000,
            },
            kinds: KindSet::DEFAULT,
            is_partial: true,
            words: vec!["tcptrace".to_owned(), "record".to_owned()],
            hooks: vec!["tcp_send_reset".to_owned()],
            unseen: vec!["off: syn_drop".to_owned()],
            spaces: vec![crate::model::run::SpaceFacts {
                netns: 4_026_531_840,
                is_own: true,
                settings: crate::model::snapshot::Settings {
                    somaxconn: Some(4096),
                    ip_local_port_range: Some((32_768, 60_999)),
                    ..Default::default()
                },
            }],
        }),
        host: Host {
            reset_reasons: vec![None, Some("NO_SOCKET".into())],
            drop_reasons: vec![Some("TCP_RFC7323_PAWS".into())],
            hz: Some(250),
        },
        standing: Standing {
            boot_ns: 1_000,
            counters: [(4_026_531_840, counters)].into(),
            unread: 3,
            kernel: [(
                Kind::State,
                KernelCount {
                    filtered: 5,
                    lost: 6,
                },
            )]
            .into(),
            filtered: 7,
            skipped: BTreeMap::from([("tp_btf/kfree_skb".into(), 8)]),
            has_gone: true,
        },
    }
}

fn end() -> Standing {
    Standing {
        boot_ns: 9_000,
        ..start().standing
    }
}

/// Everything a recording holds.
fn read(paths: &[PathBuf]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut reader = Reader::open(paths).unwrap();
    let mut take = |piece| {
        pieces.push(piece);
        ControlFlow::Continue(())
    };
    while reader.step(&mut take).unwrap() {}
    pieces
}

fn items(pieces: &[Piece]) -> Vec<&Item> {
    let items = pieces.iter().filter_map(|piece| match piece {
        Piece::Item(item) => Some(item),
        _ => None,
    });
    items.collect()
}

fn gaps(pieces: &[Piece]) -> Vec<&Gap> {
    let gaps = pieces.iter().filter_map(|piece| match piece {
        Piece::Gap(gap) => Some(gap),
        _ => None,
    });
    gaps.collect()
}

/// Times of the events, in order.
fn times(pieces: &[Piece]) -> Vec<u64> {
    let times = items(pieces).into_iter().filter_map(|item| match item {
        Item::Event(event) => Some(event.boot_ns),
        _ => None,
    });
    times.collect()
}

/// Ends the block that is being filled.
fn seal(recorder: &mut Recorder) -> Want {
    recorder.tick(Instant::now() + Duration::from_secs(2))
}
