//! `finis doctor`: whether a store is as it was written, and what can be done when it is not.

use std::fmt::Write as _;

use finis::live::StoreSettings;
use finis::store::{Checkup, IndexCheck, MendError, Mended, check, mend};
use serde_json::{Value, json};

use super::store::{StoreArgs, block_on};
use super::words::{aside, bad, count, deliveries, heading, number, shown};
use super::{Failure, Outcome, say};

#[derive(clap::Args)]
#[command(after_help = "\
Reads every byte of the journal: checksums, the chain, the witness, and whether segments are missing. Then it holds \
each entry of the index against the journal; beside a process that has the store the index is not looked at, and \
that is said.

With --repair, damaged bytes are copied into the folder `aside` of the store with place and reason, what is sound \
beside them moves to the end of the journal, and the index is made again. What is damaged stays lost: import \
exports of that time again, or restore a backup.

Exits 0 when all is as it was written, or is so now; 1 when something is wrong; 2 when it could not be checked.")]
pub(crate) struct Args {
    #[command(flatten)]
    store: StoreArgs,

    /// Set aside what is damaged, and make the index again
    #[arg(long)]
    repair: bool,

    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<Outcome, Failure> {
    if !args.store.is_there() {
        return Err(args.store.not_there());
    }
    if args.repair {
        return block_on(repair(args));
    }
    let checkup = check(&args.store.store)?;
    let told = if args.json { format!("{:#}\n", as_json(&checkup)) } else { text(&args.store.name(), &checkup) };
    say(&told)?;
    if !checkup.is_sound() && !args.json {
        say(&aside("`finis doctor --repair` sets aside what is damaged, and makes the index again.\n"))?;
    }
    Ok(outcome(&checkup))
}

async fn repair(args: &Args) -> Result<Outcome, Failure> {
    let mended = mend(&args.store.store, &StoreSettings::default()).await.map_err(|error| match error {
        MendError::Open(error) => args.store.why_not_open(error),
        error => Failure::from(error),
    })?;
    let told = if args.json {
        let files: Vec<String> = mended.aside.iter().map(|path| path.display().to_string()).collect();
        let told = json!({
            "before": as_json(&mended.before),
            "aside": files,
            "segments": mended.segments,
            "after": as_json(&mended.after),
        });
        format!("{told:#}\n")
    } else {
        mended_text(&args.store.name(), &mended)
    };
    say(&told)?;
    Ok(outcome(&mended.after))
}

fn outcome(checkup: &Checkup) -> Outcome {
    if checkup.is_sound() { Outcome::Fine } else { Outcome::Objection }
}

fn mended_text(store: &str, mended: &Mended) -> String {
    if mended.before.is_sound() {
        return format!("{}\nNothing was to be mended.\n", text(store, &mended.before));
    }
    // Writing into a String does not fail.
    let mut out = format!("{}\n{}\n", text(store, &mended.before), heading("Mended"));
    for path in &mended.aside {
        let _ = writeln!(out, "  aside     {}", shown(&path.display().to_string()));
    }
    for segment in &mended.segments {
        let _ = writeln!(out, "  retired   segment {segment}; what is sound in it is at the end of the journal");
    }
    let _ = writeln!(out, "  index     made again\n");
    out + &text(store, &mended.after)
}

fn text(store: &str, checkup: &Checkup) -> String {
    let mut out = String::new();
    // Writing into a String does not fail.
    let _ = write(&mut out, store, checkup);
    out
}

fn write(out: &mut String, store: &str, checkup: &Checkup) -> std::fmt::Result {
    let Checkup { segments, records, erased, sessions, notices, refused, .. } = checkup;
    writeln!(out, "{}  {store}", heading("Checked"))?;
    let erased = if *erased > 0 { format!(", {} erased as was wanted", number(*erased)) } else { String::new() };
    writeln!(out, "  journal   {} in {}{erased}", count(*records, "record"), count(*segments, "segment"))?;
    let refused = deliveries(*refused);
    writeln!(
        out,
        "  holds     {}, {}, {refused} in quarantine",
        count(*sessions, "session"),
        count(*notices, "notice")
    )?;
    writeln!(out, "  index     {}", index_in_words(&checkup.index))?;
    if checkup.is_sound() {
        return writeln!(out, "All that was checked is as it was written.");
    }
    for damage in &checkup.damage {
        writeln!(out, "{} {damage}", bad("Damaged:"))?;
    }
    for place in &checkup.unreadable {
        writeln!(out, "{} {place}: its checksum holds, and it is no record of finis", bad("Unreadable:"))?;
    }
    for key in &checkup.hurt {
        let (id, source) = (shown(key.id()), shown(key.source()));
        writeln!(out, "{} the {} {id} of {source} has lost what a record of it says", bad("Lost:"), key.subject())?;
    }
    if checkup.nameless > 0 {
        let sessions = count(checkup.nameless, "session");
        writeln!(out, "{} {sessions}, of which nothing is left that says a name", bad("Lost:"))?;
    }
    if let IndexCheck::Wrong { faults } = &checkup.index {
        for fault in faults {
            writeln!(out, "{} {}", bad("Index:"), shown(fault))?;
        }
    }
    Ok(())
}

fn index_in_words(index: &IndexCheck) -> String {
    match index {
        IndexCheck::Absent => "none: the next opening makes it".to_owned(),
        IndexCheck::NotChecked { holder } => format!("not checked: {holder} has it"),
        IndexCheck::Sound { behind: 0 } => "every entry is what the journal says".to_owned(),
        IndexCheck::Sound { behind } => {
            format!("every entry is what the journal says; {} behind, for the next opening", count(*behind, "record"))
        }
        IndexCheck::Wrong { faults } => {
            format!("wrong in {}; nothing is lost by that", count(faults.len() as u64, "place"))
        }
    }
}

fn as_json(checkup: &Checkup) -> Value {
    let damage = checkup.damage.iter().map(|damage| {
        json!({
            "segment": damage.at.segment,
            "offset": damage.at.offset,
            "bytes": damage.bytes,
            "records_lost": [damage.records.start, damage.records.end],
            "reason": damage.reason.to_string(),
        })
    });
    let hurt =
        checkup.hurt.iter().map(|key| json!({"source": key.source(), "subject": key.subject(), "session": key.id()}));
    let index = match &checkup.index {
        IndexCheck::Absent => json!({"state": "absent"}),
        IndexCheck::NotChecked { holder } => json!({"state": "not_checked", "process": holder.pid}),
        IndexCheck::Sound { behind } => json!({"state": "sound", "behind": behind}),
        IndexCheck::Wrong { faults } => json!({"state": "wrong", "faults": faults}),
    };
    json!({
        "sound": checkup.is_sound(),
        "segments": checkup.segments,
        "records": checkup.records,
        "erased": checkup.erased,
        "sessions": checkup.sessions,
        "notices": checkup.notices,
        "refused": checkup.refused,
        "damage": damage.collect::<Vec<_>>(),
        "unreadable": checkup.unreadable.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "nameless": checkup.nameless,
        "hurt": hurt.collect::<Vec<_>>(),
        "index": index,
    })
}
