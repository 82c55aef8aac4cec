//! `finis export`: a store into an export.

use std::io::ErrorKind;
use std::path::PathBuf;

use finis::engine::Timestamp;
use finis::providers::Catalogue;
use finis::store::{ExportError, export};

use super::output::Output;
use super::reconcile::{as_of as time, shown};
use super::store::{StoreArgs, block_on, check_source};
use super::words::{count, deliveries};
use super::{Failure, Outcome, say, warn};

#[derive(clap::Args)]
#[command(after_help = "\
The first line says as of when the export was made and under what settings its sources were read; \
`finis reconcile` and `finis import` obey it unless told otherwise. A line for each event follows: its \
source, when it first came, the headers that were kept, and its body as it was posted. How often it \
came is not in it. What is in quarantine is no event, and is not in it either. It ends with 2 when the store is \
damaged: what was lost there is not in it.")]
pub(crate) struct Args {
    #[command(flatten)]
    store: StoreArgs,

    /// Where it goes; `-` is standard output
    #[arg(long, value_name = "FILE", default_value = "-")]
    out: PathBuf,

    /// Events of this source alone
    #[arg(long, value_name = "NAME")]
    source: Option<String>,

    /// Time to judge deadlines at that the first line says; unless told, the latest that the store knows
    #[arg(long, value_name = "TIME", value_parser = time)]
    as_of: Option<Timestamp>,
}

pub(crate) fn run(args: &Args) -> Result<Outcome, Failure> {
    let stdout = args.out.as_os_str() == "-";
    block_on(async {
        // It reads no payload, and so no contract.
        let look = args.store.look(&Catalogue::default()).await?;
        check_source(&look, args.source.as_deref())?;
        let mut output = Output::open(&args.out, &[])?;
        let exported = match export(&look, args.source.as_deref(), args.as_of, &mut *output.take()).await {
            Ok(exported) => exported,
            // Whoever reads it has seen enough of it.
            Err(ExportError::Write(error)) if stdout && error.kind() == ErrorKind::BrokenPipe => {
                return Ok(Outcome::Fine);
            }
            Err(error) => return Err(error.into()),
        };
        output.finish()?;
        let (events, sessions) = (count(exported.events, "event"), count(exported.sessions, "session"));
        let as_of = exported.as_of.map_or_else(String::new, |at| format!(", as of {at}"));
        let quarantine = match look.log().refused_count() as u64 {
            0 => String::new(),
            refused => format!("; {} in quarantine not among them", deliveries(refused)),
        };
        if !stdout {
            say(&format!("{}: {events} of {sessions}{as_of}{quarantine}\n", shown(&args.out)))?;
        } else if !quarantine.is_empty() {
            warn(&format!("{events} of {sessions}{as_of}{quarantine}"));
        }
        // It was said where, when the store was looked into.
        Ok(if look.log().damage().is_empty() { Outcome::Fine } else { Outcome::Incomplete })
    })
}
