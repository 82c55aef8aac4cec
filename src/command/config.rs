//! `finis config`: what a server is told, checked and said again.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Subcommand;
use finis::engine::{Source, StartAt, SubjectId, print_span};
use finis::serve::recordings::Places;
use finis::serve::{Config, Recordings, SourceConfig, print_size};
use serde_json::{Value, json};

use super::table::Table;
use super::words::{aside, count, heading, shown};
use super::{Failure, Outcome, say, warn};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Check a file, and say what was understood; exit 1 when anything in it cannot be
    Check {
        /// The file
        #[arg(long, value_name = "FILE", default_value = "finis.toml")]
        config: PathBuf,

        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(command: &Command) -> Result<Outcome, Failure> {
    let Command::Check { config: path, json } = command;
    super::find_config(path)?;
    match Config::read(path) {
        Ok(config) if *json => say(&format!("{:#}\n", as_json(&config)?)).map(|()| Outcome::Fine),
        Ok(config) => say(&in_words(&config)?).map(|()| Outcome::Fine),
        Err(error) if *json => {
            let faults = error.faults.iter();
            let faults: Vec<Value> =
                faults.map(|fault| json!({ "line": fault.line, "message": fault.message })).collect();
            say(&format!("{:#}\n", json!({ "file": error.file, "faults": faults }))).map(|()| Outcome::Objection)
        }
        Err(error) => {
            warn(&error.to_string());
            Ok(Outcome::Objection)
        }
    }
}

/// A source, as the file has it and as it then is.
fn built(config: &Config) -> Result<Vec<(&SourceConfig, Source)>, Failure> {
    let build = |source: &SourceConfig| source.setup().build(&config.catalogue);
    let built = config.sources.iter().map(|source| Ok((source, build(source)?)));
    built.collect()
}

/// The kinds that a source is sent.
fn subscribed(source: &Source) -> Vec<&str> {
    source.terms.subscribed().map(|kind| source.contract.kind_name(kind)).collect()
}

fn in_words(config: &Config) -> Result<String, Failure> {
    let mut out = format!("{}\n", heading(&shown(&config.file)));
    let mut line = |name: &str, value: String| {
        // Writing into a String does not fail.
        let _ = writeln!(out, "  {name:9}  {value}");
    };
    if let Some(folder) = &config.contracts {
        line("contracts", shown(&folder.display().to_string()));
    }
    line("store", shown(&config.store.display().to_string()));
    line("listen", format!("{}, hooks at /hooks/NAME", config.listen));
    line(
        "read",
        config.read.as_ref().map_or_else(
            || "nobody: there is no [read]".to_owned(),
            |read| format!("{}, with {}", read.address, count(read.tokens.len() as u64, "token")),
        ),
    );
    line(
        "watch",
        config.watch.map_or_else(
            || "nobody: there is no [watch]".to_owned(),
            |address| format!("{address}, /metrics, /healthz and /readyz"),
        ),
    );
    line(
        "retention",
        config.retention.map_or_else(
            || "everything is kept for ever: there is no [retention]".to_owned(),
            |retention| {
                let last_word = if retention.last_word { ", last records longer" } else { "" };
                format!(
                    "{} after their last event sessions go that are over; known for {} more{last_word}",
                    print_span(retention.after),
                    print_span(retention.remember)
                )
            },
        ),
    );
    line("log", format!("{}, from {} on", if config.log.json { "json" } else { "human" }, config.log.level.as_str()));

    let _ = write!(out, "\n{}\n", heading("Sources"));
    let mut table =
        Table::new(["  name", "provider", "version", "proved by", "subscribed to", ">grace", ">stall", "recordings"]);
    for (source, built) in built(config)? {
        let kinds = subscribed(&built);
        let all = built.contract.kinds().count();
        let subject = SubjectId::MAIN;
        let proof = match (&source.header, source.unsigned) {
            (_, true) => "nothing: unsigned".to_owned(),
            (Some(header), _) => format!("{header}, {}", count(source.secrets.len() as u64, "secret")),
            (None, _) => count(source.secrets.len() as u64, "secret"),
        };
        table.add([
            format!("  {}", source.name),
            source.provider.clone(),
            built.contract.version().to_owned(),
            proof,
            if kinds.len() == all { "all".to_owned() } else { kinds.join(" ") },
            print_span(built.terms.grace(subject)),
            built.terms.stall(subject).map_or_else(|| "-".to_owned(), print_span),
            source.recordings.as_ref().map_or_else(|| "-".to_owned(), |kept| kept_in(config, kept)),
        ]);
    }
    let sources = table.take();
    out.push_str(if sources.is_empty() { "  none: nothing can come in\n" } else { &sources });

    let mut table = Table::new(["  name", "consumer", "url", ">secrets", ">at once", ">one try", "waits"]);
    for webhook in &config.webhooks {
        let waits = |waits: &Vec<_>| waits.iter().map(|wait| print_span(*wait)).collect::<Vec<_>>().join(" ");
        table.add([
            format!("  {}", webhook.name),
            format!("webhook:{}", webhook.name),
            webhook.url.clone(),
            webhook.secrets.len().to_string(),
            webhook.at_once().to_string(),
            print_span(webhook.one_try().total),
            webhook.schedule.as_ref().map_or_else(|| "as published".to_owned(), waits),
        ]);
    }
    let webhooks = table.take();
    if !webhooks.is_empty() {
        let _ = write!(out, "\n{}\n{webhooks}", heading("Webhooks"));
    }

    let _ = write!(out, "\n{}\n", heading("Limits"));
    for (name, value) in limits(config) {
        let _ = writeln!(out, "  {name:24}  {value}");
    }
    if config.sources.is_empty() {
        let _ = write!(out, "\n{}\n", aside("Add a source: [source.NAME] with `provider` and a secret."));
    }
    Ok(out)
}

/// Where recordings of a source are kept.
fn kept_in(config: &Config, kept: &Recordings) -> String {
    let folder = kept.folder.clone().unwrap_or_else(|| Places::usual(&config.store));
    folder.display().to_string()
}

/// Every limit by the name that the file has for it.
fn limits(config: &Config) -> Vec<(&'static str, String)> {
    let finis::serve::Limits { engine, listen, receive } = &config.limits;
    vec![
        ("body_bytes_max", print_size(engine.body_bytes_max)),
        ("bodies_bytes_max", print_size(receive.bodies_bytes_max)),
        ("queue_max", engine.queue_max.to_string()),
        ("batch_max", engine.batch_max.to_string()),
        ("sessions_max", engine.sessions_max.to_string()),
        ("events_max", engine.events_max.to_string()),
        ("connections_max", listen.connections_max.to_string()),
        ("connections_per_peer_max", listen.connections_per_peer_max.to_string()),
        ("head_bytes_max", print_size(listen.head_bytes_max)),
        ("headers_max", listen.headers_max.to_string()),
        ("head_time_max", print_span(listen.head)),
        ("body_time_max", print_span(listen.body)),
        ("idle_time_max", print_span(listen.idle)),
        ("write_time_max", print_span(listen.write)),
        ("stop_time_max", print_span(listen.stop)),
        ("retry_after", print_span(receive.retry_after)),
    ]
}

fn as_json(config: &Config) -> Result<Value, Failure> {
    let sources: Vec<Value> = built(config)?
        .iter()
        .map(|(source, built)| {
            json!({
                "name": source.name,
                "provider": source.provider,
                "version": built.contract.version(),
                "hook": format!("/hooks/{}", source.name),
                "header": source.header,
                "secrets": source.secrets.len(),
                "unsigned": source.unsigned,
                "tolerance": source.tolerance.map(print_span),
                "subscribe": subscribed(built),
                "grace": print_span(built.terms.grace(SubjectId::MAIN)),
                "stall": built.terms.stall(SubjectId::MAIN).map(print_span),
                "recordings": source.recordings.as_ref().map(|kept| json!({
                    "folder": kept_in(config, kept),
                    "bytes_max": kept.bytes_max(),
                    "time_max": print_span(kept.time_max()),
                    "keep": kept.keep.map(print_span),
                    "allowed": kept.allow.len(),
                })),
            })
        })
        .collect();
    let webhooks = config.webhooks.iter().map(|webhook| {
        json!({
            "name": webhook.name,
            "consumer": format!("webhook:{}", webhook.name),
            "url": webhook.url,
            "secrets": webhook.secrets.len(),
            "allowed": webhook.allow.len(),
            "start": if webhook.start == StartAt::Now { "now" } else { "oldest" },
            "concurrency": webhook.at_once(),
            "timeout": print_span(webhook.one_try().total),
            "schedule": webhook.schedule.as_ref().map(|waits| waits.iter().map(|wait| print_span(*wait)).collect::<Vec<_>>()),
        })
    });
    Ok(json!({
        "file": config.file,
        "contracts": config.contracts.as_ref().map(|folder| folder.display().to_string()),
        "store": config.store.display().to_string(),
        "listen": config.listen.to_string(),
        "read": config.read.as_ref().map(|read| json!({
            "address": read.address.to_string(),
            "tokens": read.tokens.len(),
        })),
        "watch": config.watch.map(|address| address.to_string()),
        "retention": config.retention.map(|retention| json!({
            "after": print_span(retention.after),
            "last_word": retention.last_word,
            "remember": print_span(retention.remember),
            "hold": print_span(retention.hold),
            "refused": retention.refused.map(print_span),
        })),
        "log": { "format": if config.log.json { "json" } else { "human" }, "level": config.log.level.as_str() },
        "sources": sources,
        "webhooks": webhooks.collect::<Vec<_>>(),
        "limits": limits(config).into_iter().collect::<std::collections::BTreeMap<_, _>>(),
    }))
}
