use proptest::prelude::*;

use super::events::received;
use super::*;

/// A recording of five blocks with ten events each; where its blocks begin.
fn recorded(room: &Room) -> Vec<u8> {
    let mut recorder = Recorder::create(plain(&room.file()), start()).unwrap();
    for block in 0..5 {
        for event in 0..10 {
            recorder.event(&received(block * 10 + event));
        }
        assert_eq!(seal(&mut recorder), Want::Nothing);
    }
    recorder.finish(&end());
    std::fs::read(room.file()).unwrap()
}

fn blocks(bytes: &[u8]) -> Vec<usize> {
    let mut places = vec![16];
    while let Some(head) = frame::head(&bytes[places[places.len() - 1]..]) {
        let last = places[places.len() - 1];
        let next = last + frame::HEAD + head.stored as usize;
        if next >= bytes.len() {
            break;
        }
        places.push(next);
    }
    places
}

fn read_bytes(room: &Room, bytes: &[u8]) -> Vec<Piece> {
    let path = room.0.join("damaged.rec");
    std::fs::write(&path, bytes).unwrap();
    read(&[path])
}

#[test]
fn a_block_of_a_killed_recorder_is_all_that_is_lost() {
    let room = Room::new("cut-anywhere");
    let sound = recorded(&room);
    let places = blocks(&sound);
    assert_eq!(places.len(), 7, "start, five blocks, end");
    for length in places[1]..sound.len() {
        let whole = places[1..6]
            .iter()
            .zip(&places[2..])
            .filter(|(_, end)| **end <= length);
        let pieces = read_bytes(&room, &sound[..length]);
        assert_eq!(times(&pieces).len(), whole.count() * 10, "cut at {length}");
        let reported = gaps(&pieces);
        assert_eq!(reported.len(), 1, "cut at {length}");
        let is_at_edge = places.contains(&length);
        assert_eq!(
            reported[0].bytes == 0,
            is_at_edge,
            "cut at {length}: {reported:?}"
        );
    }
}

#[test]
fn damage_costs_its_block_and_is_counted() {
    let room = Room::new("damage");
    let sound = recorded(&room);
    let places = blocks(&sound);
    // In a head, in a payload, and both of neighbours.
    for at in [places[2] + 9, places[2] + 60] {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x55;
        let pieces = read_bytes(&room, &bytes);
        let expected: Vec<u64> = (0..10).chain(20..50).collect();
        assert_eq!(times(&pieces), expected);
        let reported = gaps(&pieces);
        assert_eq!(reported.len(), 1);
        assert_eq!(reported[0].events, Some(10));
        assert_eq!(reported[0].offset, places[2] as u64);
        assert_eq!(reported[0].bytes, (places[3] - places[2]) as u64);
        assert_eq!(reported[0].after_ns, Some(9));
        assert_eq!(pieces.last(), Some(&Piece::End(end())));
    }
    let mut bytes = sound.clone();
    bytes[places[2] + 60] ^= 1;
    bytes[places[3] + 1] ^= 1;
    let pieces = read_bytes(&room, &bytes);
    assert_eq!(gaps(&pieces)[0].events, Some(20));
}

#[test]
fn events_are_shown_even_when_the_beginning_is_damaged() {
    let room = Room::new("no-beginning");
    let mut bytes = recorded(&room);
    bytes[30] ^= 1;
    let pieces = read_bytes(&room, &bytes);
    assert_eq!(pieces[0], Piece::Start(Start::default()));
    assert_eq!(times(&pieces).len(), 50);
    assert_eq!(gaps(&pieces).len(), 1);
}

#[test]
fn what_is_no_recording_is_refused_with_its_name() {
    let room = Room::new("refused");
    let path = room.file();
    for bytes in [b"".as_slice(), b"tcptrac", b"{\"v\":1}\n", &[0; 100]] {
        std::fs::write(&path, bytes).unwrap();
        let error = Reader::open(std::slice::from_ref(&path)).unwrap_err();
        assert!(matches!(error, ReadError::NotRecording { .. }));
        assert!(error.to_string().contains("a.rec"));
    }
    let mut newer = MAGIC.to_vec();
    newer.extend_from_slice(&[7, 0, 0, 0, 0, 0, 0, 0]);
    std::fs::write(&path, newer).unwrap();
    let error = Reader::open(std::slice::from_ref(&path)).unwrap_err();
    assert!(error.to_string().contains("version 7"), "{error}");
    let error = Reader::open(&[room.0.join("absent")]).unwrap_err();
    assert!(matches!(error, ReadError::Io { .. }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_bytes_make_it_fail(
        noise in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        cut in any::<prop::sample::Index>(),
    ) {
        let room = Room::new("noise");
        let mut bytes = recorded(&room);
        for (place, value) in &noise {
            let at = 16 + place.index(bytes.len() - 16);
            bytes[at] = *value;
        }
        bytes.truncate(16 + cut.index(bytes.len() - 15));
        let pieces = read_bytes(&room, &bytes);
        prop_assert!(times(&pieces).len() <= 50);
    }

    #[test]
    fn no_payload_that_is_checked_makes_it_fail(
        raw in proptest::collection::vec(any::<u8>(), 0..300),
        swaps in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        is_start in any::<bool>(),
    ) {
        // A hostile file has sound checksums.
        let room = Room::new("hostile");
        let sound = recorded(&room);
        let places = blocks(&sound);
        let place = places[usize::from(!is_start)];
        let head = frame::head(&sound[place..]).unwrap();
        let payload = &sound[place + frame::HEAD..][..head.stored as usize];
        let payload = bytes::Bytes::copy_from_slice(payload);
        let mut changed = head.unpack(payload).unwrap().to_vec();
        for (at, value) in &swaps {
            let at = at.index(changed.len());
            changed[at] = *value;
        }
        let hostile = if swaps.is_empty() { &raw } else { &changed };
        let mut bytes = sound[..place].to_vec();
        bytes.extend(frame::Framer::default().block(head.kind, head.extent, hostile));
        bytes.extend(&sound[places[if is_start { 1 } else { 2 }]..]);
        let pieces = read_bytes(&room, &bytes);
        prop_assert!(times(&pieces).len() >= 40);
    }
}
