//! Packed events say what events say: whoever reads by comparing accepts, refuses and folds exactly as
//! whoever reads in full.

use std::sync::Arc;

use finis::engine::{
    Contract, EventKind, Folder, Form, Forms, LineReader, Packed, Packer, Partial, SubjectId, Timestamp, Unreadable,
};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::bodies::{Pick, SUBJECTS, Subject, TIMES, World};

/// What is told of a line beside its event, or why it is none.
type Told = Result<(SubjectId, Vec<u8>, Option<Timestamp>, Option<Timestamp>, bool), Unreadable>;

/// How a payload comes: as it is, with space in it, in a delivery, in a delivery as text.
const WAYS: usize = 5;

fn line(payload: &str, way: usize, arrival: usize) -> String {
    match way {
        0 => payload.to_owned(),
        1 => {
            let payload: serde_json::Value = serde_json::from_str(payload).unwrap();
            serde_json::to_string_pretty(&payload).unwrap().replace('\n', " ")
        }
        2 => format!(r#"{{"received_at":"2026-05-03T09:00:{arrival:02}Z","body":{payload}}}"#),
        3 => format!(
            r#"{{"body":{payload},"headers":{{"X-B":"1","X-A":["2"]}},"received_at":"2026-05-03T09:00:{arrival:02}.5Z"}}  "#
        ),
        _ => format!(r#"{{"body":{}}}"#, serde_json::Value::String(payload.to_owned())),
    }
}

fn pack<'r>(
    packer: &'r mut Packer<'_, ()>,
    contract: &Contract,
    line: &'r str,
    forms: &Forms,
) -> Result<(Told, Vec<u8>), Unreadable> {
    let arrival = packer.pack(line, |_| Ok(((), 0, contract)))?;
    let mut packed = vec![0; arrival.packed_len()];
    arrival.write(&mut packed);
    let (received_at, at, known) = (arrival.received_at, arrival.at, arrival.known);
    let id = arrival.id.to_vec();
    let all = forms.all();
    let event = Packed::read(&packed, &all);
    assert_eq!(event.id(), id, "{line}");
    Ok((Ok((event.subject(), id, at, received_at, known)), packed))
}

/// What whoever reads in full says.
fn read(contract: &Contract, line: &str) -> Told {
    let mut reader = LineReader::new(None);
    let arrival = reader.read(line.as_bytes(), |_| Ok(((), contract)))?;
    let event = arrival.event;
    let known = matches!(event.kind, EventKind::Known(_));
    Ok((event.subject, event.id.as_bytes().to_vec(), event.at, arrival.received_at, known))
}

fn subject_and_picks() -> impl Strategy<Value = (&'static Subject, Vec<(Pick, usize, usize)>)> {
    select(SUBJECTS.to_vec()).prop_flat_map(|subject| {
        let pick = (0..subject.kinds_to_pick(), 0..TIMES.len(), 0..12_usize, 0..4_usize)
            .prop_map(|(kind, at, first, others)| Pick { kind, at, first, others });
        let arrived = (pick, 0..WAYS, 0..3_usize);
        (Just(subject), prop::collection::vec(arrived, 1..24))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_session_folds_from_packed_events_as_from_events((subject, arrived) in subject_and_picks(), twice: bool) {
        let world = World::of(subject);
        let lines: Vec<String> =
            arrived.iter().map(|(pick, way, arrival)| line(&subject.payload(pick), *way, *arrival)).collect();
        let mut partial = Partial::default();
        for line in &lines {
            let mut reader = LineReader::new(None);
            let arrival = reader.read(line.as_bytes(), |_| Ok(((), world.contract))).unwrap();
            partial.add(world.contract, &arrival.event, arrival.received_at);
        }
        let forms = Forms::default();
        let mut learned = Packer::new(&forms, None);
        let mut packed = Vec::new();
        for line in &lines {
            // Read in full the first time, and by comparing the second; and by someone who knows nothing.
            let mut fresh = Packer::new(&forms, None);
            packed.push(pack(&mut learned, world.contract, line, &forms).unwrap().1);
            packed.push(pack(&mut learned, world.contract, line, &forms).unwrap().1);
            if twice {
                packed.push(pack(&mut fresh, world.contract, line, &forms).unwrap().1);
            }
        }
        packed.reverse();
        let all: Vec<Arc<Form>> = forms.all();
        let mut folder = Folder::default();
        let mut events: Vec<Packed<'_>> = packed.iter().map(|packed| Packed::read(packed, &all)).collect();
        let folded = folder.fold(world.contract, &mut events, true).clone();
        prop_assert_eq!(&folded, &partial, "{:#?}", lines);
        prop_assert_eq!(world.printed(&folded), world.printed(&partial));

        // Digests that decide nothing are not made, and nothing shows it.
        let folded = folder.fold(world.contract, &mut events, false);
        for now in ["2026-05-03T08:45:00Z", "2026-05-03T10:00:00Z"].map(|now| Timestamp::parse(now).unwrap()) {
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            world.record(folded, now).write_json(&mut ours);
            world.record(&partial, now).write_json(&mut theirs);
            prop_assert_eq!(String::from_utf8(ours).unwrap(), String::from_utf8(theirs).unwrap());
        }
    }

    #[test]
    fn a_line_read_by_comparing_is_accepted_or_refused_as_when_read_in_full(
        (subject, arrived) in subject_and_picks(),
        harms in prop::collection::vec((any::<Index>(), 0..4_usize, any::<Index>(), select(HARMS.to_vec())), 0..4),
    ) {
        let world = World::of(subject);
        let forms = Forms::default();
        let mut packer = Packer::new(&forms, None);
        for (pick, way, arrival) in &arrived {
            let sound = line(&subject.payload(pick), *way, *arrival);
            pack(&mut packer, world.contract, &sound, &forms).unwrap().0.unwrap();
            let mut harmed: Vec<char> = sound.chars().collect();
            for (place, how, other, harm) in &harms {
                let (place, other) = (place.index(harmed.len()), other.index(harmed.len()));
                match how {
                    0 => harmed[place] = *harm,
                    1 => drop(harmed.remove(place)),
                    2 => harmed.insert(place, *harm),
                    _ => harmed.swap(place, other),
                }
                if harmed.is_empty() {
                    break;
                }
            }
            let harmed: String = harmed.into_iter().collect();
            let told = pack(&mut packer, world.contract, &harmed, &forms).and_then(|(told, _)| told);
            prop_assert_eq!(told, read(world.contract, &harmed), "{}\n{}", sound, harmed);
        }
    }
}

/// Characters that JSON, times or ids care about.
const HARMS: &[char] = &[
    '"', '\\', '{', '}', '[', ']', ',', ':', ' ', '\t', '\r', '0', '1', '9', '-', '+', '.', 'e', 'E', 'T', 'Z', 'z',
    't', 'f', 'n', 'u', '\0', '\u{1f}', '\u{7f}', '\u{85}', 'é', '\u{feff}', '😀', '/', 'a',
];
