//! Certificates: what lets a record be checked elsewhere.
//!
//! A certificate is BLAKE3 (32 bytes, in hexadecimal) over these lines, each ended by a line feed
//! but the last:
//!
//! 1. `finis certificate 1`
//! 2. the terms in canonical JSON: `contract`, `fold`, `subscription` (a list of kinds), `version`
//! 3. the digests of the record's events, sorted, a line each
//! 4. the record in canonical JSON, without `source`, `status`, `by` and `certificate`: what time
//!    or place decides

use std::cell::RefCell;
use std::sync::LazyLock;

use crate::contract::{Contract, Terms};
use crate::json::{Canon, DEPTH_MAX, JsonError, Paths, Pointer, Tape, write_string};

/// Version of the fold. It changes whenever the same events would make another record.
pub const FOLD_VERSION: u32 = 1;

/// What is no part of a certificate.
static LEFT_OUT: LazyLock<Paths> = LazyLock::new(|| {
    let mut paths = Paths::default();
    // These four are pointers.
    for pointer in ["/source", "/status", "/by", "/certificate"].iter().flat_map(|place| Pointer::parse(place)) {
        paths.set_volatile(&pointer);
    }
    paths
});

thread_local! {
    /// Room to work in, which grows once and not for every certificate.
    static ROOM: RefCell<(Tape, Canon)> = RefCell::default();
}

/// Bytes of the longest record that is certified there. What a longer one needs is given back.
const ROOM_RECORD_BYTES: usize = 16 << 10;

/// Computes certificates under one contract and one subscription.
#[derive(Clone, Debug)]
pub struct Certifier<'c> {
    contract: &'c Contract,
    head: Vec<u8>,
}

impl<'c> Certifier<'c> {
    /// A certifier for records made under these terms.
    #[must_use]
    pub fn new(contract: &'c Contract, terms: &Terms) -> Certifier<'c> {
        let mut head = Vec::with_capacity(256);
        head.extend_from_slice(b"finis certificate 1\n{\"contract\":");
        write_string(contract.provider(), &mut head);
        head.extend_from_slice(format!(",\"fold\":{FOLD_VERSION},\"subscription\":[").as_bytes());
        for (place, kind) in terms.subscribed().enumerate() {
            if place > 0 {
                head.push(b',');
            }
            write_string(contract.kind_name(kind), &mut head);
        }
        head.extend_from_slice(b"],\"version\":");
        write_string(contract.version(), &mut head);
        head.extend_from_slice(b"}\n");
        Certifier { contract, head }
    }

    /// The contract that it certifies under.
    #[must_use]
    pub fn contract(&self) -> &'c Contract {
        self.contract
    }

    /// The certificate of a record, given as JSON with the digests of its events.
    ///
    /// # Errors
    /// When the text is not JSON.
    pub fn certificate(&self, record: &str) -> Result<String, JsonError> {
        if record.len() > ROOM_RECORD_BYTES {
            return self.certificate_in(&mut Tape::default(), &mut Canon::default(), record);
        }
        ROOM.with_borrow_mut(|(tape, canon)| self.certificate_in(tape, canon, record))
    }

    fn certificate_in(&self, tape: &mut Tape, canon: &mut Canon, record: &str) -> Result<String, JsonError> {
        // The payload's depth, inside `fields`, inside the record; in a conflict one list more.
        tape.scan(record, DEPTH_MAX + 8)?;
        canon.write_deep(record, tape, &LEFT_OUT, DEPTH_MAX + 8)?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.head);
        for digest in digests(tape, record) {
            hasher.update(digest.as_bytes()).update(b"\n");
        }
        hasher.update(canon.bytes());
        Ok(hasher.finalize().to_hex().to_string())
    }
}

/// The digests that a record lists, sorted.
fn digests<'r>(tape: &Tape, record: &'r str) -> Vec<&'r str> {
    let text = |place: usize| {
        let node = tape.node(place);
        &record[node.start as usize..node.end as usize]
    };
    let member =
        |object: usize, name: &str| tape.members(object).find(|(key, _)| text(*key) == name).map(|(_, value)| value);
    let mut digests = Vec::new();
    if let Some(events) = member(0, "\"events\"") {
        let end = tape.node(events).next as usize;
        let mut event = events + 1;
        while event < end {
            digests.extend(member(event, "\"digest\"").map(|digest| text(digest).trim_matches('"')));
            event = tape.node(event).next as usize;
        }
    }
    digests.sort_unstable();
    digests
}
