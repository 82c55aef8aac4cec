//! What a view says while layers go into the tree, at every step of it, against a plain map: of sessions that begin
//! alike, and with fewer deadlines in memory than there are.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use finis_engine::Timestamp;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::edit::{Edit, Finished, Placed};
use super::layer::{Changes, Layer, SessionRow};
use super::meta::Contents;
use super::sessions::{Published, write_places};
use super::{Meta, Settings, View, keys, open};
use crate::bytes::Writer;
use crate::journal::{Place, Position};
use crate::tag::Tag;

const SETTINGS: Settings = Settings {
    cache_bytes: 4 << 20,
    patience: Duration::from_secs(20),
    layer_keys: 6,
    deadlines: 2,
    slack_bytes: u64::MAX,
    repeats_max: usize::MAX,
};

/// A session, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Known {
    due: Option<Timestamp>,
    records: usize,
}

/// A view, and what it is to say. It is written behind by hand.
struct World<'f> {
    folder: &'f Path,
    view: View,
    sessions: BTreeMap<Tag, Known>,
    contents: Contents,
    last_page: u32,
    writing: Option<Writing>,
}

/// A layer that goes into the tree.
struct Writing {
    layer: Arc<Layer>,
    /// Those that are not there yet.
    left: Vec<Tag>,
    /// Where some are, and the directory does not know it yet.
    placed: Option<Vec<Placed>>,
}

#[derive(Clone, Debug)]
enum Step {
    /// Sessions change, or go.
    Change(Vec<(u8, Option<Known>)>),
    /// A part of a layer is written.
    Write,
    /// All is written, and the tree is opened anew.
    Reopen,
    NextDue,
    Ask(Option<(Timestamp, u8)>, Timestamp, usize),
}

/// Of 24 sessions, four times five begin alike.
fn tag(number: u8) -> Tag {
    let mut bytes = [0; Tag::BYTES];
    (bytes[0], bytes[1]) = [(0, 0), (0, 0x10), (0x7F, 0xFF), (0xFF, 0xFF)][usize::from(number / 6)];
    match number % 6 {
        4 => bytes[5] = 0x10,
        5 => bytes[15] = 1,
        alike => bytes[5] = alike,
    }
    Tag::from_bytes(bytes)
}

fn at(seconds: i64, digits: usize) -> Timestamp {
    Timestamp::from_unix(1_800_000_000 + seconds, 0, digits).unwrap()
}

fn value(known: Known) -> Vec<u8> {
    let mut value = Vec::new();
    let mut to = Writer(&mut value);
    to.varint(0);
    to.option(known.due, Writer::timestamp);
    let place = |number| Place { frame: Position { segment: 1, offset: 800 * number }, record: 0 };
    write_places(&(0..known.records as u64).map(place).collect::<Vec<_>>(), &mut to);
    value
}

/// With the digits, which take no part when timestamps are compared.
fn written((at, tag): (Timestamp, Tag)) -> (Timestamp, usize, Tag) {
    (at, at.digits(), tag)
}

impl<'f> World<'f> {
    fn open(folder: &'f Path) -> World<'f> {
        let checked = open(folder, SETTINGS).unwrap_or_else(|error| panic!("{error:?}"));
        let view = checked.look(7);
        let tree = view.tree();
        let meta = tree.get(keys::META).unwrap().map(|value| Meta::decode(&value).unwrap());
        let last = tree.range(keys::sessions(0)..=keys::sessions(u32::MAX)).next_back();
        let last_page = last.map_or(0, |row| keys::page_of(&row.unwrap().0).unwrap());
        drop(tree);
        let contents = meta.map(|(_, contents)| contents).unwrap_or_default();
        World { folder, view, sessions: BTreeMap::new(), contents, last_page, writing: None }
    }

    fn change(&mut self, changes: impl IntoIterator<Item = (Tag, Option<Known>)>) {
        let rows = changes.into_iter().map(|(tag, known)| {
            let before = match known {
                Some(known) => self.sessions.insert(tag, known),
                None => self.sessions.remove(&tag),
            };
            let row = SessionRow {
                value: known.map(value),
                pages: BTreeMap::new(),
                first: None,
                due: known.and_then(|known| known.due),
                is_gone: false,
                beneath: before.map(|known| Published { due: known.due }),
            };
            (tag, row)
        });
        let changes = Changes { sessions: rows.collect(), rest: Vec::new() };
        self.view.publish(changes, self.view.meta());
    }

    /// The next step of what writes behind; `false` when all is written.
    fn write(&mut self, some: usize) -> bool {
        let Some(writing) = &mut self.writing else {
            let layer = self.view.take_layer();
            self.writing =
                layer.map(|layer| Writing { left: layer.sessions.keys().copied().collect(), layer, placed: None });
            return self.writing.is_some();
        };
        if let Some(placed) = writing.placed.take() {
            self.view.relocate(placed);
        } else if writing.left.is_empty() {
            self.view.drop_layer();
            self.writing = None;
        } else {
            let mut edit = Edit::new(&self.view, self.contents, self.last_page);
            for tag in writing.left.drain(..some.min(writing.left.len())) {
                edit.session(tag, &writing.layer.sessions[&tag]).unwrap();
            }
            let Finished { mut batch, contents, placed, open, .. } = edit.finish();
            batch.insert(keys::META, writing.layer.meta.encode(contents));
            self.view.tree().apply_batch(batch).unwrap();
            (self.contents, self.last_page, writing.placed) = (contents, open, Some(placed));
        }
        true
    }

    fn reopen(mut self) -> World<'f> {
        while self.write(usize::MAX) {}
        let World { folder, sessions, view, .. } = self;
        drop(view);
        World { sessions, ..World::open(folder) }
    }

    fn due(&self) -> Vec<(Timestamp, Tag)> {
        let mut due: Vec<_> = self.sessions.iter().filter_map(|(tag, known)| Some((known.due?, *tag))).collect();
        due.sort_unstable();
        due
    }

    fn ask(&self, after: Option<(Timestamp, Tag)>, until: Timestamp, limit: usize) {
        let due = self.due().into_iter().filter(|due| after.is_none_or(|after| *due > after) && due.0 <= until);
        let said = self.view.due(after, until, limit).unwrap().into_iter();
        assert_eq!(said.map(written).collect::<Vec<_>>(), due.map(written).take(limit).collect::<Vec<_>>());
        let after = after.map(|(_, tag)| tag);
        let sessions = self.sessions.keys().copied().filter(|tag| after.is_none_or(|after| *tag > after));
        assert_eq!(self.view.sessions(after, limit).unwrap(), sessions.take(limit).collect::<Vec<_>>());
    }

    fn check(&self, tags: impl IntoIterator<Item = Tag>) {
        let due = self.due();
        assert_eq!(self.view.waiting(), due.len());
        if let Ok(next) = self.view.next_due_known() {
            assert_eq!(next, due.first().map(|(at, _)| *at));
        }
        self.ask(None, Timestamp::MAX, usize::MAX);
        for tag in tags {
            let session = self.view.session(tag).unwrap();
            let said = session.map(|session| (session.due, session.places().len()));
            let known = self.sessions.get(&tag);
            assert_eq!(said, known.map(|known| (known.due, known.records)), "{tag:?}");
            assert!(known.is_none() || self.view.may_know(tag), "{tag:?}");
        }
    }
}

fn dues() -> impl Strategy<Value = Timestamp> {
    (0..12_i64, prop_oneof![Just(0_usize), Just(3)]).prop_map(|(seconds, digits)| at(seconds, digits))
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let known = (option::weighted(0.8, dues()), 1..900_usize).prop_map(|(due, records)| Known { due, records });
    let step = prop_oneof![
        4 => vec((0..24_u8, option::weighted(0.8, known)), 1..6).prop_map(Step::Change),
        6 => Just(Step::Write),
        1 => Just(Step::Reopen),
        2 => Just(Step::NextDue),
        3 => (option::of((dues(), 0..24_u8)), dues(), 0..6_usize)
            .prop_map(|(after, until, limit)| Step::Ask(after, until, limit)),
    ];
    vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn says_what_was_published(steps in steps()) {
        let folder = tempfile::tempdir().unwrap();
        let mut world = World::open(folder.path());
        for step in steps {
            match step {
                Step::Change(changes) => world.change(changes.into_iter().map(|(number, known)| (tag(number), known))),
                Step::Write => drop(world.write(3)),
                Step::Reopen => world = world.reopen(),
                Step::NextDue => {
                    let due = world.due();
                    assert_eq!(world.view.next_due().unwrap(), due.first().map(|(at, _)| *at));
                    assert!(world.view.next_due_known().is_ok());
                }
                Step::Ask(after, until, limit) => world.ask(after.map(|(at, number)| (at, tag(number))), until, limit),
            }
            world.check((0..24).map(tag));
        }
    }
}

/// More than is looked at together: in the tree, in layers, and of what is in both, where it does not hold any more.
#[test]
fn what_is_read_in_pieces_is_all_of_it() {
    let tags: Vec<Tag> = (0..2_000_u32)
        .map(|number| {
            let mut bytes = [0; Tag::BYTES];
            bytes[..4].copy_from_slice(&number.wrapping_mul(0x9E37_79B9).to_be_bytes());
            Tag::from_bytes(bytes)
        })
        .collect();
    let some = |from: usize, to: usize, due: i64| {
        let due = move |number: usize| Some(at(due + number as i64 % 700, 0));
        let known = move |number: usize| Some(Known { due: due(number), records: 1 });
        (from..to).map(move |number| (number, known(number)))
    };
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::open(folder.path());
    world.change(some(0, 1_500, 0).map(|(number, known)| (tags[number], known)));
    while world.write(500) {}
    world = world.reopen();
    world.check(tags.iter().copied());
    // The earliest are due later now, some go, and some are new.
    world.change(some(0, 1_000, 5_000).map(|(number, known)| (tags[number], known)));
    world.change((200..600).map(|number| (tags[number], None)));
    world.change(some(1_400, 2_000, 300).map(|(number, known)| (tags[number], known)));
    loop {
        world.check(tags.iter().copied().step_by(7));
        let next = world.due()[0].0;
        assert_eq!(world.view.next_due().unwrap(), Some(next));
        for limit in [1, 255, 256, 257, 600] {
            let page = world.view.due(None, Timestamp::MAX, limit).unwrap();
            assert_eq!(page, world.due()[..limit]);
            world.ask(page.last().copied(), at(5_100, 0), limit);
        }
        if !world.write(500) {
            break;
        }
    }
    // All pass, the first of them first.
    for waiting in (0..world.due().len()).rev().step_by(3) {
        let due = world.due();
        assert_eq!(world.view.next_due().unwrap(), Some(due[0].0));
        world.change(due[..3.min(due.len())].iter().map(|(_, tag)| (*tag, Some(Known { due: None, records: 1 }))));
        assert_eq!(world.view.waiting(), waiting.saturating_sub(2));
        if waiting % 5 == 0 {
            world.write(100);
        }
    }
    assert_eq!((world.view.next_due().unwrap(), world.view.waiting()), (None, 0));
}
