//! `finis notices`: what was said of sessions, and what is said from here on.

mod parked; // what a consumer did not take

use std::fmt::Write as _;
use std::time::Duration;

use finis::engine::live::Notice;
use finis::engine::log::{Consumer, LogRead};
use finis::providers::Catalogue;
use finis::store::Look;

use super::store::{StoreArgs, block_on};
use super::table::Table;
use super::words::{aside, count};
use super::{Failure, Outcome, say, say_lines, say_more};

/// Notices that are read at once.
const PAGE: usize = 256;

/// How often it is looked for more.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "\
It only looks: nothing is acknowledged by it. What was imported with --quiet-notices, or corrected by \
`finis rebuild --apply` without --announce, was said to nobody, and is not among them; `finis show` has it.")]
pub(crate) struct Args {
    #[command(subcommand)]
    parked: Option<parked::Command>,

    #[command(flatten)]
    store: StoreArgs,

    /// Notices after this place in the outbox
    #[arg(long, value_name = "SEQ", default_value_t = 0, hide_default_value = true)]
    after: u64,

    /// Notices that this consumer has not acknowledged
    #[arg(long, value_name = "NAME")]
    consumer: Option<String>,

    /// Go on with what is said from here on, until interrupted
    #[arg(long)]
    follow: bool,

    /// Print notices as consumers get them, a line of JSON each
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<Outcome, Failure> {
    if let Some(command) = &args.parked {
        return parked::run(command);
    }
    block_on(async {
        // A notice is told as it was said, under whatever contract.
        let mut look = args.store.look(&Catalogue::default()).await?;
        let consumers = look.log().consumers().await?;
        let acknowledged = args.consumer.as_deref().map(|name| acknowledged(&consumers, name)).transpose()?;
        let mut after = args.after.max(acknowledged.unwrap_or(0));
        let mut table = Table::new([">seq", "kind", ">revision", "source", "session", "id"]);
        let mut total = 0;
        loop {
            match print(&look, args.json, &mut after, &mut table).await? {
                Some(printed) => total += printed,
                // Nobody listens any more.
                None => return Ok(Outcome::Fine),
            }
            if !args.follow {
                break;
            }
            tokio::select! {
                interrupted = tokio::signal::ctrl_c() => {
                    interrupted.map_err(|error| Failure(format!("cannot wait for an interrupt: {error}")))?;
                    return Ok(Outcome::Fine);
                }
                () = tokio::time::sleep(LOOK_AGAIN) => look.refresh()?,
            }
        }
        if !args.json {
            say(&ending(total, args, &consumers))?;
        }
        Ok(Outcome::Fine)
    })
}

/// Prints what is after a place, and goes on to the last of it: how many there were. Nothing when nobody listens.
async fn print(look: &Look, json: bool, after: &mut u64, table: &mut Table<6>) -> Result<Option<u64>, Failure> {
    let mut printed = 0;
    loop {
        let notices = look.log().notices(*after, PAGE).await?;
        let Some((last, _)) = notices.last() else { return Ok(Some(printed)) };
        *after = *last;
        printed += notices.len() as u64;
        let mut lines = String::new();
        for placed in &notices {
            if json {
                lines.push_str(&placed.1.to_json(placed.0));
                lines.push('\n');
            } else {
                table.add(cells(placed));
            }
        }
        let listens = if json { say_lines(&lines)? } else { say_more(&table.take())? };
        if !listens {
            return Ok(None);
        }
    }
}

fn cells((seq, notice): &(u64, Notice)) -> [String; 6] {
    let session = match notice.key.subject() {
        "session" => notice.key.id().to_owned(),
        subject => format!("{subject} {}", notice.key.id()),
    };
    [
        seq.to_string(),
        notice.kind.as_str().to_owned(),
        notice.revision.to_string(),
        notice.key.source().to_owned(),
        session,
        notice.id.to_string(),
    ]
}

fn acknowledged(consumers: &[Consumer], name: &str) -> Result<u64, Failure> {
    if let Some(consumer) = consumers.iter().find(|consumer| consumer.name == name) {
        return Ok(consumer.acknowledged);
    }
    let known: Vec<&str> = consumers.iter().map(|consumer| consumer.name.as_str()).collect();
    let known = if known.is_empty() { "there are none".to_owned() } else { format!("there are {}", known.join(", ")) };
    Err(Failure(format!("--consumer {name}: no consumer of the store is called so: {known}")))
}

/// How many there were, and how far each consumer is.
fn ending(total: u64, args: &Args, consumers: &[Consumer]) -> String {
    // Writing into a String does not fail.
    let mut end = if total > 0 { "\n".to_owned() } else { String::new() };
    end.push_str(&count(total, "notice"));
    if let Some(name) = &args.consumer {
        let _ = write!(end, " that {name} has not acknowledged");
    } else if !consumers.is_empty() {
        let far = |consumer: &Consumer| format!("{} up to {}", consumer.name, consumer.acknowledged);
        let consumers: Vec<String> = consumers.iter().map(far).collect();
        end.push_str(&aside(&format!(", acknowledged by {}", consumers.join(", "))));
    }
    end.push('\n');
    end
}
