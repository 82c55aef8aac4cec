//! Bytes, there and back; and any bytes at all.

use finis_store::journal::codec::{
    Body, Chain, Draft, FRAME_HEADER_BYTES, FrameError, Marker, Retired, SegmentHeader, SlotState, Witness,
    WitnessState, decode, encode,
};
use finis_store::journal::{Position, Record};
use proptest::collection::vec;
use proptest::prelude::*;

const AT: Position = Position { segment: 3, offset: 12_288 };

fn a_body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..300),
        // Text that compresses.
        (vec("[a-f\":,]{1,9}", 1..40)).prop_map(|words| words.concat().repeat(4).into_bytes()),
    ]
}

fn some_records() -> impl Strategy<Value = Vec<(Vec<u8>, Option<Vec<u8>>)>> {
    vec((vec(any::<u8>(), 0..60), proptest::option::of(a_body())), 1..12)
}

fn frame(records: &[(Vec<u8>, Option<Vec<u8>>)], first: u64, before: Chain) -> (Vec<u8>, Chain) {
    let records: Vec<Record> = records
        .iter()
        .map(|(head, body)| Record { head: head.clone(), body: body.as_deref().map(Body::new) })
        .collect();
    let mut bytes = Vec::new();
    let after = encode(&records, first, before, Marker::new(7, AT), &mut bytes).unwrap();
    let mut draft = Draft::default();
    for record in &records {
        draft.push(&record.head, record.body.as_ref()).unwrap();
    }
    assert_eq!(bytes.len(), draft.frame_bytes());
    assert_eq!(bytes.len() % 8, 0);
    (bytes, after)
}

proptest! {
    #[test]
    fn a_frame_comes_back(records in some_records(), first in 0..u64::MAX / 2, before: [u8; 16], more in vec(any::<u8>(), 0..20)) {
        let (mut bytes, after) = frame(&records, first, Chain(before));
        bytes.extend(more);
        let decoded = decode(&bytes, Marker::new(7, AT)).unwrap();
        prop_assert!(decoded.is_whole());
        prop_assert_eq!(decoded.after, after);
        prop_assert_eq!((decoded.header.first, decoded.header.before), (first, Chain(before)));
        prop_assert_eq!(decoded.next(), first + records.len() as u64);
        prop_assert_eq!(decoded.records.len(), records.len());
        for ((found, state), (head, body)) in decoded.records.iter().zip(&records) {
            prop_assert_eq!(found.head, &head[..]);
            match (state, body) {
                (None, None) => {}
                (Some(SlotState::Here(stored)), Some(body)) => {
                    prop_assert_eq!(&found.slot.unwrap().content(stored).unwrap(), body);
                }
                other => prop_assert!(false, "{other:?}"),
            }
        }
    }

    #[test]
    fn a_flipped_bit_is_seen(records in some_records(), at: prop::sample::Index, bit in 0..8_u8) {
        let (bytes, after) = frame(&records, 5, Chain([1; 16]));
        let mut flipped = bytes.clone();
        flipped[at.index(bytes.len())] ^= 1 << bit;
        if let Ok(decoded) = decode(&flipped, Marker::new(7, AT)) {
            // Seen at the body, or in the padding, where nothing is.
            prop_assert_eq!(decoded.after, after);
            for ((found, state), (head, body)) in decoded.records.iter().zip(&records) {
                prop_assert_eq!(found.head, &head[..]);
                match state {
                    None => prop_assert!(body.is_none()),
                    Some(SlotState::Damaged) => {}
                    Some(SlotState::Here(stored)) => prop_assert_eq!(&found.slot.unwrap().content(stored), body),
                    Some(SlotState::Erased) => prop_assert!(false, "one bit does not erase"),
                }
            }
        }
    }

    #[test]
    fn a_frame_cut_off_is_none(records in some_records(), at: prop::sample::Index) {
        let (bytes, _) = frame(&records, 5, Chain([1; 16]));
        let cut = &bytes[..at.index(bytes.len())];
        prop_assert!(matches!(decode(cut, Marker::new(7, AT)), Err(FrameError::Short)));
    }

    #[test]
    fn a_frame_of_another_place_or_journal_is_none(records in some_records(), segment in 1..9_u64, block in 0..9_u64, salt: u64) {
        let (bytes, _) = frame(&records, 5, Chain([1; 16]));
        let at = Position { segment, offset: 12_288 + 8 * block };
        prop_assume!(at != AT || salt != 7);
        prop_assert_eq!(decode(&bytes, Marker::new(salt, at)), Err(FrameError::Marker));
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in vec(any::<u8>(), 0..400)) {
        let _ = decode(&bytes, Marker::new(7, AT));
        let _ = SegmentHeader::decode(&bytes);
        let _ = Witness::decode(&bytes);
        let _ = Retired::decode(&bytes);
    }

    /// Lengths that are sound by their checksum, and lie.
    #[test]
    fn any_lengths_are_read_without_panic(lengths: [u32; 4], first: u64, entries in vec(any::<[u8; 8]>(), 0..9)) {
        let (mut bytes, _) = frame(&[(vec![1], Some(vec![2; 40]))], 5, Chain([1; 16]));
        for (at, length) in lengths.iter().enumerate() {
            // Half of them small, so that some get past the bounds.
            let length = if length % 2 == 0 { *length } else { length % 300 };
            bytes[8 + 4 * at..12 + 4 * at].copy_from_slice(&length.to_le_bytes());
        }
        bytes[24..32].copy_from_slice(&first.to_le_bytes());
        for (to, entry) in bytes[FRAME_HEADER_BYTES..].chunks_exact_mut(8).zip(&entries) {
            to.copy_from_slice(entry);
        }
        let heads = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
        if let Some(heads) = bytes.get(FRAME_HEADER_BYTES..).and_then(|rest| rest.get(..heads)) {
            let sum = crc32c(heads);
            bytes[20..24].copy_from_slice(&sum.to_le_bytes());
        }
        let sum = crc32c(&bytes[..52]);
        bytes[52..56].copy_from_slice(&sum.to_le_bytes());
        if let Ok(decoded) = decode(&bytes, Marker::new(7, AT)) {
            for (found, state) in &decoded.records {
                if let (Some(slot), Some(SlotState::Here(stored))) = (found.slot, state) {
                    let _ = slot.content(stored);
                }
            }
        }
    }

    #[test]
    fn slots_and_headers_come_back(salt: u64, sequence: u64, segment: u64, offset: u64, records: u64, chain: [u8; 16], closed: bool, at in 0..64_usize, bit in 0..8_u8) {
        let state = if closed { WitnessState::Closed } else { WitnessState::Running };
        let end = Position { segment, offset };
        let witness = Witness { salt, sequence, end, records, chain: Chain(chain), state };
        let mut bytes = witness.encode();
        prop_assert_eq!(Witness::decode(&bytes), Some(witness));
        bytes[at] ^= 1 << bit;
        prop_assert_eq!(Witness::decode(&bytes), None);

        let header = SegmentHeader { salt, number: segment, first: records, previous_end: offset, chain: Chain(chain) };
        let mut bytes = header.encode();
        prop_assert_eq!(SegmentHeader::decode(&bytes), Ok(header));
        bytes[at] ^= 1 << bit;
        prop_assert!(SegmentHeader::decode(&bytes).is_err());
    }

    #[test]
    fn retired_segments_come_back(numbers in vec(1..40_u64, 0..30), at: prop::sample::Index) {
        let mut retired = Retired::default();
        for number in &numbers {
            retired.add(*number, number * 10, Chain([*number as u8; 16]));
        }
        for number in 1..40 {
            prop_assert_eq!(retired.has(number), numbers.contains(&number));
        }
        for range in retired.ranges() {
            prop_assert_eq!((range.records, range.chain), (range.last * 10, Chain([range.last as u8; 16])));
        }
        let mut bytes = retired.encode();
        prop_assert_eq!(Retired::decode(&bytes), Ok(retired));
        let at = at.index(bytes.len());
        bytes[at] ^= 4;
        prop_assert!(Retired::decode(&bytes).is_err());
    }
}

/// CRC32C bit by bit: the definition, to hold the codec against.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |sum: u32| if sum & 1 == 1 { sum >> 1 ^ 0x82F6_3B78 } else { sum >> 1 };
    !bytes.iter().fold(!0, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), |sum, _| step(sum)))
}

fn from_hex(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn the_bytes_of_a_frame_stay_as_they_are() {
    // The format is on disks: a change here needs another version.
    let records = [(b"head".to_vec(), Some(b"body".to_vec())), (b"h".to_vec(), None)];
    let (bytes, after) = frame(&records, 2, Chain([9; 16]));
    let expected = [
        "ca80acf9b81e0236",                 // marker
        "02000000",                         // records
        "2d000000",                         // bytes of heads
        "10000000",                         // bytes of bodies
        "9177343d",                         // CRC32C of the heads
        "0200000000000000",                 // number of the first record
        "09090909090909090909090909090909", // chain before
        "00000000",                         // nothing
        "e306b6f5",                         // CRC32C of the header
        "0400000001000000",                 // head of 4 bytes, body as it is
        "0400000004000000",                 // bytes of the body as stored, and of its content
        "0be9c598ae63835518e7fb422dc3027f", // its hash
        "68656164",                         // the head
        "0100000000000000",                 // head of 1 byte, no body
        "68",                               // the head
        "000000",                           // to a multiple of 8
        "e202fea7626f6479",                 // CRC32C of the body, and that it is here
        "626f647900000000",                 // the body, to a multiple of 8
    ];
    assert_eq!(bytes, from_hex(&expected.concat()));
    assert_eq!(format!("{after:?}"), "491da932f3959ade8177877ef72abe42");
}

const CONTENT: &[u8] = br#"{"event":"session.ended","sessionId":"1628e54f-32e7-48b7-8eba-e408420fb7af","timestamp":"2026-05-03T00:02:12.720Z","currentNodeId":"billing_question","messagesCount":14}"#;

#[test]
fn the_dictionary_knows_what_webhooks_look_like() {
    let body = Body::new(CONTENT);
    assert!(body.stored_bytes() < CONTENT.len() / 2, "{} bytes", body.stored_bytes());
}

/// The dictionary is part of the format, and so is what the hash of a body is of: what is stored, and once it was the
/// content.
#[test]
fn what_was_written_stays_readable() {
    let before = [
        "ca80acf9b81e0236010000002400000028000000", // marker, records, lengths
        "bdce0207000000000000000009090909090909090909090909090909000000000a705ac1", // sums, number and chain
        "04000000020000001d000000a90000006f1bac44750ed2edae8575ca5a1ac91268656164", // entry with the hash, and head
        "00000000",                                 // padding
        "7093eed0626f647928b52ffd23260bd54ea9850000087d047c00ff42211cd6b3c51df54c19000000", // slot
    ];
    let now = [
        "ca80acf9b81e0236010000002400000028000000", // marker, records, lengths
        "8f1cb98d0000000000000000090909090909090909090909090909090000000053437cf9", // sums, number and chain
        "04000000030000001d000000a9000000964fa14014b72459cffb85441606cd8b68656164", // entry with the hash, and head
        "00000000",                                 // padding
        "92788f10626f647928b52ffd23260bd54ea9850000087d047c00ff42211cd6b3c51df54c19000000", // slot
    ];
    for frame in [before, now] {
        let bytes = from_hex(&frame.concat());
        let frame = decode(&bytes, Marker::new(7, AT)).unwrap();
        let (record, Some(SlotState::Here(stored))) = &frame.records[0] else { panic!("{frame:?}") };
        assert_eq!(record.slot.unwrap().content(stored).unwrap(), CONTENT);
        // Whatever else decompresses is not what was kept.
        let other = Body::new(&CONTENT.to_ascii_uppercase());
        let draft = [Record { head: Vec::new(), body: Some(other) }];
        let mut bytes = Vec::new();
        encode(&draft, 0, Chain::start(7), Marker::new(7, AT), &mut bytes).unwrap();
        let others = decode(&bytes, Marker::new(7, AT)).unwrap();
        let (_, Some(SlotState::Here(stored))) = &others.records[0] else { panic!("{others:?}") };
        assert_eq!(record.slot.unwrap().content(stored), None);
    }
}
