//! The index, entry by entry against the journal.

use std::path::Path;
use std::time::Duration;

use super::IndexCheck;
use crate::entries::{Entries, Places};
use crate::index::{self, IndexError, OUTBOX_PAGE, View, recall};
use crate::journal::{Position, Reader};
use crate::snapshot::Found;
use crate::tag::{Tag, Tags};

/// For as long it may take to open.
const PATIENCE: Duration = Duration::from_secs(300);

/// Bytes of it that are kept in memory.
const CACHE_BYTES: u64 = 64 << 20;

/// Sessions that are looked up at once.
const SESSIONS: usize = 1024;

/// Opens the index in a folder and reads all of it, or says what is wrong with it.
pub(super) fn open(folder: &Path, salt: u64) -> Result<View, String> {
    let settings = index::Settings {
        cache_bytes: CACHE_BYTES,
        patience: PATIENCE,
        layer_keys: 1,
        deadlines: 1,
        slack_bytes: u64::MAX,
        repeats_max: usize::MAX,
    };
    let checked = index::open(folder, settings).map_err(|error| error.0.to_string())?;
    if checked.meta.is_some_and(|meta| meta.salt != salt) {
        return Err("it is of another journal".to_owned());
    }
    Ok(checked.look(salt))
}

/// Holds the index against what the journal has up to its watermark, which is so many records.
pub(super) fn compare(view: &View, found: &Found, journal: &Reader, tags: Tags, records: u64) -> IndexCheck {
    let mut comparison = Comparison { view, found, journal, tags, faults: Vec::new() };
    if let Err(error) = comparison.run(records) {
        comparison.faults.push(error.0.to_string());
    }
    match comparison.faults {
        faults if faults.is_empty() => IndexCheck::Sound { behind: 0 },
        faults => IndexCheck::Wrong { faults },
    }
}

struct Comparison<'c> {
    view: &'c View,
    found: &'c Found,
    journal: &'c Reader,
    tags: Tags,
    faults: Vec<String>,
}

impl Comparison<'_> {
    fn run(&mut self, records: u64) -> Result<(), IndexError> {
        let (known, meta) = (self.view.meta(), self.found.meta());
        if known.watermark > Position::START && known.records != records {
            self.fault(format!("it counts {} records where the journal has {records}", known.records));
        }
        if (known.seq, known.latest) != (meta.seq, meta.latest) {
            self.fault(
                "it does not know the end of the outbox, or the latest time, as the journal has them".to_owned(),
            );
        }
        self.sessions()?;
        self.outbox(known.first.max(meta.first), known.seq.min(meta.seq))?;
        if self.view.refused(None, usize::MAX)? != self.found.refused(None, usize::MAX)? {
            self.fault("what is in quarantine is not what the journal has there".to_owned());
        }
        if self.view.consumers()? != self.found.consumers() {
            self.fault("consumers are not where the journal has them".to_owned());
        }
        if self.view.sources()? != self.found.sources() {
            self.fault("what sources are read under is not what the journal says".to_owned());
        }
        Ok(())
    }

    fn fault(&mut self, fault: String) {
        self.faults.push(fault);
    }

    fn sessions(&mut self) -> Result<(), IndexError> {
        let mut after = None;
        while let Some(last) = self.found.sessions(after, SESSIONS)?.into_iter().try_fold(None, |_, tag| {
            self.session(tag)?;
            Ok::<_, IndexError>(Some(tag))
        })? {
            after = Some(last);
        }
        after = None;
        loop {
            let tags = Places::sessions(self.view, after, SESSIONS)?;
            let Some(last) = tags.last() else { return Ok(()) };
            after = Some(*last);
            for tag in tags {
                if self.found.session(tag)?.is_none() {
                    self.fault(format!("{} is in it and not in the journal", self.name(tag)));
                }
            }
        }
    }

    fn session(&mut self, tag: Tag) -> Result<(), IndexError> {
        let Some(found) = self.found.session(tag)? else { return Ok(()) };
        let Some(known) = self.view.session(tag)? else {
            self.fault(format!("{} is not in it", self.name(tag)));
            return Ok(());
        };
        if known.places() == found.places() && known.due == found.due {
            return Ok(());
        }
        // A crash can leave records in two places, of which the index knows one: what they say decides.
        let nowhere = known.places().iter().filter(|place| !found.lies_at(**place)).count();
        if nowhere > 0 {
            let records = if nowhere == 1 { "record".to_owned() } else { format!("{nowhere} records") };
            self.fault(format!("{}: it knows of {records} that the journal does not have", self.name(tag)));
        } else if !recall(self.view, self.journal, tag)?.says_as(&found) {
            self.fault(format!("{}: it does not say of it what the journal says", self.name(tag)));
        }
        Ok(())
    }

    fn outbox(&mut self, first: u64, last: u64) -> Result<(), IndexError> {
        let mut next = first;
        while next <= last {
            let page = next / OUTBOX_PAGE;
            let (known, found) = (Places::outbox(self.view, page)?, self.found.outbox(page)?);
            let end = ((page + 1) * OUTBOX_PAGE).min(last + 1);
            for seq in next..end {
                let at = |places: &[Option<_>]| places.get((seq % OUTBOX_PAGE) as usize).copied().flatten();
                if at(&known) != at(&found) {
                    self.fault(format!("notice {seq} does not lie where it says"));
                }
            }
            next = end;
        }
        Ok(())
    }

    /// What a session is called, as far as the journal still says it.
    fn name(&self, tag: Tag) -> String {
        let entries = Entries { places: self.found, journal: self.journal, tags: self.tags };
        match entries.key(tag) {
            Ok(Some(key)) => format!("the {} `{}` of `{}`", key.subject(), key.id(), key.source()),
            _ => "a session without a name".to_owned(),
        }
    }
}
