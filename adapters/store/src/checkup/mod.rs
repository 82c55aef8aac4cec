//! Whether a store is as it was written: every checksum, the chain, the witness, and each entry of the index
//! against the journal. And what can be done when it is not.

mod index; // held against the journal
mod mend; // what is damaged is set aside

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use finis_engine::live::SessionKey;

pub use mend::{MendError, Mended, mend};

use crate::embedded::{INDEX, JOURNAL, OpenError, lock};
use crate::entries::Entries;
use crate::head::{Head, HeadError};
use crate::index::{Meta, View};
use crate::journal::{self, Content, Damage, Entry, Place, Position, Reader, Scanned};
use crate::snapshot::{Found, Holder};
use crate::tag::{Tag, Tags};

/// What a store was found to be.
#[derive(Clone, Debug, Default)]
#[must_use = "damage that nobody looks at is entries missing without a word"]
pub struct Checkup {
    /// Segments of the journal that are there.
    pub segments: u64,
    /// Records in them whose heads are sound.
    pub records: u64,
    /// Bodies of them that were erased, as was wanted.
    pub erased: u64,
    /// Sessions, and whatever else events are about. Those that were let go are not counted.
    pub sessions: u64,
    /// Notices that are kept in the outbox.
    pub notices: u64,
    /// Deliveries in quarantine.
    pub refused: u64,
    /// What of the journal is damaged.
    pub damage: Vec<Damage>,
    /// Records whose checksums hold and whose heads are not what finis ever wrote.
    pub unreadable: Vec<Place>,
    /// Sessions of which a record has lost its body.
    pub hurt: BTreeSet<SessionKey>,
    /// Further ones, of which nothing is left that says what they are called.
    pub nameless: u64,
    /// The index.
    pub index: IndexCheck,
}

/// What the index was found to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum IndexCheck {
    /// There is none. The next opening makes it.
    #[default]
    Absent,
    /// It was not looked at.
    NotChecked {
        /// Who has it.
        holder: Holder,
    },
    /// Every entry is what the journal says.
    Sound {
        /// Records that the journal has after it. The next opening reads them.
        behind: u64,
    },
    /// It is not what the journal says, or cannot be read. Nothing is lost by that: it can be made again.
    Wrong {
        /// What is wrong with it.
        faults: Vec<String>,
    },
}

/// Why a store cannot be checked.
#[derive(Debug)]
pub enum CheckError {
    /// The journal cannot be read at all.
    Journal(journal::OpenError),
    /// A record of the journal is of a version that came later.
    Newer {
        /// Where it is.
        place: Place,
    },
    /// The folder cannot be worked on.
    Open(OpenError),
}

impl Checkup {
    /// Whether all that was looked at is as it was written.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty() && self.unreadable.is_empty() && !matches!(self.index, IndexCheck::Wrong { .. })
    }
}

/// Reads all of the store in a folder, and says what is wrong with it. Beside whoever has it, the index is not
/// looked at.
///
/// # Errors
/// When there is no store, or none that can be read here.
pub fn check(folder: &Path) -> Result<Checkup, CheckError> {
    look(folder).map(|(checkup, _)| checkup)
}

/// As [`check`], with what the index says of itself.
fn look(folder: &Path) -> Result<(Checkup, Option<Meta>), CheckError> {
    let journal = Reader::open(&folder.join(JOURNAL)).map_err(CheckError::Journal)?;
    // Held until the index is closed again.
    let locked = match lock(folder) {
        Ok(lock) => Ok(lock),
        Err(OpenError::Held { pid, .. }) => Err(Holder { pid }),
        Err(error) => return Err(CheckError::Open(error)),
    };
    let mut checkup = Checkup::default();
    let mut index = None;
    match &locked {
        Err(holder) => checkup.index = IndexCheck::NotChecked { holder: *holder },
        Ok(_) if !folder.join(INDEX).exists() => {}
        Ok(_) => match index::open(&folder.join(INDEX), journal.salt()) {
            Ok(view) => index = Some(view),
            Err(fault) => checkup.index = IndexCheck::Wrong { faults: vec![fault] },
        },
    }
    let meta = index.as_ref().map(View::meta);
    read(&journal, index.as_ref(), &mut checkup)?;
    drop(index);
    drop(locked);
    Ok((checkup, meta))
}

/// Reads the journal from front to back, and holds the index against it where that ends.
fn read(journal: &Reader, index: Option<&View>, checkup: &mut Checkup) -> Result<(), CheckError> {
    let mut found = Found::new(journal.salt());
    let tags = Tags::new(journal.salt());
    let mut hurt: BTreeSet<Tag> = BTreeSet::new();
    let (mut unmet, mut records) = (index, 0);
    checkup.segments = journal.segments().map_err(CheckError::Journal)?.len() as u64;
    for scanned in journal.scan(Position::START).map_err(CheckError::Journal)? {
        let entry = match scanned.map_err(CheckError::Journal)? {
            Scanned::Damage(damage) => {
                checkup.damage.push(damage);
                continue;
            }
            Scanned::Record(entry) => entry,
        };
        if let Some(view) = unmet.take_if(|view| entry.place.frame >= view.meta().watermark) {
            checkup.index = index::compare(view, &found, journal, tags, entry.number);
        }
        records = entry.number + 1;
        note(&entry, checkup, &mut hurt);
        match found.take(&entry) {
            Ok(()) => {}
            Err(HeadError::Newer) => return Err(CheckError::Newer { place: entry.place }),
            Err(HeadError::Malformed) => checkup.unreadable.push(entry.place),
        }
    }
    if let Some(view) = unmet {
        checkup.index = index::compare(view, &found, journal, tags, records);
    }
    if let (Some(view), IndexCheck::Sound { behind }) = (index, &mut checkup.index) {
        *behind = records.saturating_sub(view.meta().records);
    }
    let entries = Entries { places: &found, journal, tags };
    let all = hurt.len();
    checkup.hurt = hurt.into_iter().filter_map(|tag| entries.key(tag).ok().flatten()).collect();
    checkup.nameless = (all - checkup.hurt.len()) as u64;
    checkup.sessions = found.live_count();
    checkup.notices = found.notice_count();
    checkup.refused = found.refused_count() as u64;
    Ok(())
}

fn note(entry: &Entry, checkup: &mut Checkup, hurt: &mut BTreeSet<Tag>) {
    checkup.records += 1;
    match entry.body {
        Content::Erased => checkup.erased += 1,
        Content::Damaged => hurt.extend(Head::decode(&entry.head).ok().and_then(|head| head.tag())),
        Content::None | Content::Here(_) | Content::Unread => {}
    }
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CheckError::Journal(error) => error.fmt(f),
            CheckError::Newer { place } => {
                write!(f, "the record at {place} of the journal was written by a later finis: upgrade finis")
            }
            CheckError::Open(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CheckError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            CheckError::Journal(error) => error.source(),
            CheckError::Open(error) => error.source(),
            CheckError::Newer { .. } => None,
        }
    }
}
