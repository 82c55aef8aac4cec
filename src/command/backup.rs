//! `finis backup` and `finis restore`: a store as it is now, elsewhere and back.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use finis::engine::log::LogRead as _;
use finis::live::StoreOpenError;
use finis::store::{Copied, CopyError, Holder, Snapshot, copy};
use serde_json::json;

use super::store::{StoreArgs, block_on};
use super::words::{aside, bad, bytes, count, deliveries, heading, number, shown};
use super::{Failure, Outcome, recordings, say, warn};

#[derive(clap::Args)]
#[command(after_help = "\
Works while another process has the store: the journal alone is read, up to the end of a commit. The copy is made \
durable, read again, and compared; the index is not in it, since the journal has everything, nor are recordings. A \
backup is a store: \
`finis sessions --store DIR` looks into it.")]
pub(crate) struct BackupArgs {
    #[command(flatten)]
    store: StoreArgs,

    /// Folder that it goes to; it must not be there, or be empty
    #[arg(long, value_name = "DIR")]
    to: PathBuf,

    /// Print what was copied as JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[command(after_help = "\
The store is then as it was when the backup was made: consumers are where they were, and are told again what they \
heard since. What was said after the backup is said again once its events come again, under the same ids and \
perhaps at other places (`seq`): whoever keeps ids of notices hears nothing twice. What was forgotten since is there \
again: forget it once more.

The store must not be there, or be empty, so that nothing is written over.")]
pub(crate) struct RestoreArgs {
    #[command(flatten)]
    store: StoreArgs,

    /// Folder of the backup
    #[arg(long, value_name = "DIR")]
    from: PathBuf,

    /// Print what was copied as JSON
    #[arg(long)]
    json: bool,
}

/// What a copy holds, read from the copy.
struct Holds {
    sessions: u64,
    notices: u64,
    refused: u64,
    last: u64,
}

pub(crate) fn backup(args: &BackupArgs) -> Result<Outcome, Failure> {
    if !args.store.is_there() {
        return Err(args.store.not_there());
    }
    let copied = copied(&args.store.store, &args.to)?;
    let title = format!("{}  {} {} {}", heading("Backed up"), args.store.name(), aside("to"), name(&args.to));
    let folders = recordings::folders(&args.store.store)?;
    let then = match folders.as_slice() {
        [] => String::new(),
        folders => format!("Recordings are not in it: copy {} beside it.\n", shown(&folders.join(", "))),
    };
    tell(&title, &args.to, &copied, args.json, &then)
}

pub(crate) fn restore(args: &RestoreArgs) -> Result<Outcome, Failure> {
    if !args.from.join("journal").is_dir() {
        return Err(Failure(format!("there is no backup at `{}`: name its folder with --from DIR", name(&args.from))));
    }
    let store = &args.store.store;
    if let Some(Holder { pid }) = Holder::of(store) {
        return Err(args.store.why_not_open(StoreOpenError::Held { folder: args.store.name(), pid }));
    }
    let copied = copied(&args.from, store)?;
    let title = format!("{}  {} {} {}", heading("Restored"), args.store.name(), aside("from"), name(&args.from));
    let then = "Consumers are where they were. What was said since the backup is said again when its events come \
                again: under the same ids, perhaps at other places.\n";
    tell(&title, store, &copied, args.json, then)
}

fn copied(from: &Path, to: &Path) -> Result<Copied, Failure> {
    copy(from, to).map_err(|error| match error {
        CopyError::Journal(error) => {
            let error = Failure::from(error);
            Failure(format!("{error}; `finis doctor` says more"))
        }
        error => Failure::from(error),
    })
}

fn tell(title: &str, folder: &Path, copied: &Copied, as_json: bool, then: &str) -> Result<Outcome, Failure> {
    let holds = block_on(holds(folder))?;
    let told = if as_json {
        let told = json!({
            "folder": folder.display().to_string(),
            "segments": copied.segments,
            "bytes": copied.bytes,
            "records": copied.records,
            "sessions": holds.sessions,
            "notices": holds.notices,
            "refused": holds.refused,
            "last_seq": holds.last,
            "damaged": copied.damage.len(),
        });
        format!("{told:#}\n")
    } else {
        let (segments, size) = (count(copied.segments, "segment"), bytes(copied.bytes));
        let mut out = format!("{title}\n");
        // Writing into a String does not fail.
        let _ = writeln!(
            out,
            "  journal   {} in {segments} ({size}), read again and compared",
            count(copied.records, "record")
        );
        let (sessions, refused) = (count(holds.sessions, "session"), deliveries(holds.refused));
        let _ = writeln!(out, "  holds     {sessions}, {}, {refused} in quarantine", count(holds.notices, "notice"));
        let _ = writeln!(out, "  outbox    up to place {}", number(holds.last));
        out + then
    };
    say(&told)?;
    if let Some(first) = copied.damage.first() {
        let places = count(copied.damage.len() as u64, "place");
        warn(&format!(
            "{} the journal is damaged in {places}, in the copy as in the original; the first: {first}",
            bad("Damaged:")
        ));
    }
    Ok(Outcome::Fine)
}

async fn holds(folder: &Path) -> Result<Holds, Failure> {
    let copy = Snapshot::open(folder)?;
    let last = copy.last_seq().await?;
    Ok(Holds {
        sessions: copy.session_count(),
        notices: copy.notice_count(),
        refused: copy.refused_count() as u64,
        last,
    })
}

fn name(path: &Path) -> String {
    shown(&path.display().to_string())
}
