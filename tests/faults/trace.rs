//! What was synced when it was acknowledged, as the kernel saw it.
//!
//! A child runs under `strace`. Each of its payloads has a token that nothing else has, and the journal says
//! afterwards in which frame it is. For every token the trace must show, in this order: the `pwrite64` of that
//! frame ended; an `fdatasync` of the same file began after that, and ended with 0;
//! the `write` that says `kept` began. That holds for the notice of a session, too: it is handed over
//! after the frame is durable that made it due.
//!
//! It was seen to fail: with `DiskFile::sync` of a folder answering without a call to the kernel, and
//! with the sync in the journal's `commit` alone taken out, the very first `kept` is one too soon. The
//! kills do not see the latter, since a process that ends loses nothing of what the kernel has; the
//! power cuts do, at the first.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};

use finis_store::journal::{Content, Position, Reader, Scanned};

use crate::child::{self, FOLDER};
use crate::deliveries::{HEADERS, SIGNED};
use crate::process::Life;
use crate::{skipped, store};

const SESSIONS: u64 = 120;

/// `e`nded or `t`ext finalized, of a session: its token and its payload.
fn payload(kind: char, number: u64) -> (String, String) {
    let token = format!("{kind}{number:05}");
    let event = if kind == 'e' { "ended" } else { "finalized" };
    let body = format!(
        r#"{{"event":"session.{event}","sessionId":"s{number}","timestamp":"2026-05-03T08:42:11Z","x":"{token}"}}"#
    );
    (token, body)
}

/// The child: two tasks that post, one consumer.
#[test]
fn says_tokens() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    child::ends_with_its_parent();
    store::runtime().block_on(async {
        let finis = store::open(Path::new(&folder)).await.unwrap();
        let tasks: Vec<_> = (0..2)
            .map(|task| {
                let finis = finis.clone();
                tokio::spawn(async move {
                    for number in (task..SESSIONS).step_by(2) {
                        for kind in ['e', 't'] {
                            let (token, body) = payload(kind, number);
                            finis.receive(SIGNED, &HEADERS, body.as_bytes()).await.unwrap();
                            child::say(format_args!("kept {token} "));
                        }
                    }
                })
            })
            .collect();
        let mut notices = finis.notices("crm").await.unwrap();
        for _ in 0..SESSIONS {
            let placed = notices.next().await.unwrap().unwrap();
            // The second payload of a session is what ends it.
            child::say(format_args!("handed t{:05} ", placed.notice.key.id()[1..].parse::<u64>().unwrap()));
        }
        for task in tasks {
            task.await.unwrap();
        }
        finis.close().await.unwrap();
    });
}

#[test]
fn nothing_is_acknowledged_before_it_is_synced() {
    let strace = Command::new("strace").arg("--version").stdout(Stdio::null()).status();
    if let Err(error) = strace {
        return skipped("the trace of system calls", &format!("`strace` does not run: {error}"));
    }
    let folder = tempfile::tempdir().unwrap();
    let (trace, store) = (folder.path().join("trace"), folder.path().join("store"));
    let mut life = Life::new(&store, 0);
    let calls = "trace=pwrite64,fdatasync,write";
    let under = ["strace", "-f", "-y", "-qq", "-s", "32", "-e", calls, "-e", "signal=none", "-o"];
    life.under = under.iter().map(|word| (*word).to_owned()).collect();
    life.under.push(trace.to_str().unwrap().to_owned());
    let (status, lines) = life.start_as("trace::says_tokens").end();
    if lines.iter().any(|line| line.contains("ptrace")) {
        return skipped("the trace of system calls", &lines.join(" "));
    }
    assert!(status.success(), "{}", lines.join("\n"));

    let trace = std::fs::read_to_string(&trace).unwrap();
    let said = check(&trace, &frames(&store)).unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(said, (2 * SESSIONS, SESSIONS), "acknowledged and handed over, as traced");
    println!("{} acknowledgements and {} notices, each after its sync", said.0, said.1);
}

/// In which file of the journal the frame of each token is, and where it begins.
type Frames = BTreeMap<String, (String, u64)>;

fn frames(store: &Path) -> Frames {
    let mut frames = Frames::new();
    for item in Reader::open(&store.join("journal")).unwrap().scan(Position::START).unwrap() {
        let Scanned::Record(entry) = item.unwrap() else { panic!("the journal is damaged") };
        let Content::Here(body) = entry.body else { continue };
        let body = String::from_utf8_lossy(&body).into_owned();
        if let Some(token) = body.split(r#""x":""#).nth(1).and_then(|rest| rest.get(..6)) {
            let Position { segment, offset } = entry.place.frame;
            frames.entry(token.to_owned()).or_insert((format!("{segment:08}.log>"), offset));
        }
    }
    frames
}

/// A call of a thread, as far as it has come.
enum Step<'t> {
    Begins,
    Ends(&'t str),
}

/// Reads a trace from front to back; how many were acknowledged and handed over, or what came too soon.
fn check(trace: &str, frames: &Frames) -> Result<(u64, u64), String> {
    let mut calls: BTreeMap<&str, &str> = BTreeMap::new();
    // Tokens that are written to a file and wait for its sync; those that a sync under way will have;
    // those that are durable.
    let mut written: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let mut syncing: BTreeMap<&str, (&str, BTreeSet<String>)> = BTreeMap::new();
    let mut durable = BTreeSet::new();
    let (mut kept, mut handed) = (0, 0);
    for line in trace.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        // A call that others came into stands on two lines.
        let (steps, whole) = if let Some(resumed) = rest.strip_prefix("<... ") {
            (vec![Step::Ends(resumed)], calls.remove(thread).unwrap_or_default())
        } else if let Some(begun) = rest.strip_suffix(" <unfinished ...>") {
            calls.insert(thread, begun);
            (vec![Step::Begins], begun)
        } else {
            (vec![Step::Begins, Step::Ends(rest)], rest)
        };
        let Some((name, arguments)) = whole.split_once('(') else { continue };
        let file = arguments.split([',', ')', ' ']).next().unwrap_or_default();
        for step in steps {
            match (name, step) {
                ("pwrite64", Step::Ends(_)) => written.entry(file).or_default().extend(tokens(file, arguments, frames)),
                ("fdatasync", Step::Begins) => {
                    syncing.insert(thread, (file, written.get(file).cloned().unwrap_or_default()));
                }
                ("fdatasync", Step::Ends(end)) if end.trim_end().ends_with("= 0") => {
                    let Some((file, tokens)) = syncing.remove(thread) else { continue };
                    if let Some(waiting) = written.get_mut(file) {
                        waiting.retain(|token| !tokens.contains(token));
                    }
                    durable.extend(tokens);
                }
                ("write", Step::Begins) => {
                    let Some(said) =
                        arguments.split_once(", \"").filter(|_| file.starts_with("2<")).map(|(_, said)| said)
                    else {
                        continue;
                    };
                    let mut words = said.split(' ');
                    match (words.next(), words.next()) {
                        (Some("kept"), Some(token)) if durable.contains(token) => kept += 1,
                        (Some("handed"), Some(token)) if durable.contains(token) => handed += 1,
                        (Some(word @ ("kept" | "handed")), Some(token)) => {
                            return Err(format!("`{word} {token}` was said before its frame was synced"));
                        }
                        _ => {}
                    }
                }
                _ => {}
            }
        }
    }
    Ok((kept, handed))
}

/// Tokens of the frame that is written.
fn tokens(file: &str, arguments: &str, frames: &Frames) -> Vec<String> {
    let arguments = arguments.rsplit_once(") = ").map_or(arguments, |(arguments, _)| arguments);
    let offset = arguments.rsplit(", ").next().and_then(|offset| offset.trim_end_matches(')').parse::<u64>().ok());
    // Zeros are written where a frame will be.
    let is_frame = !arguments.contains(r#", "\0\0\0\0"#);
    let of_it = |(name, at): &(String, u64)| is_frame && file.ends_with(name.as_str()) && Some(*at) == offset;
    frames.iter().filter(|(_, frame)| of_it(frame)).map(|(token, _)| token.clone()).collect()
}

#[test]
fn a_trace_that_shows_an_answer_too_soon_is_seen() {
    let frames = Frames::from([("e00001".to_owned(), ("00000001.log>".to_owned(), 4096))]);
    let written = r#"7 pwrite64(9</j/00000001.log>, "fnsf"..., 20, 4096) = 20"#;
    let (synced, kept) = ("7 fdatasync(9</j/00000001.log>) = 0", r#"8 write(2<pipe:[7]>, "kept e00001 \n", 13) = 13"#);
    assert_eq!(check(&[written, synced, kept].join("\n"), &frames), Ok((1, 0)));
    for wrong in [
        vec![written, kept, synced],
        vec![synced, written, kept],
        vec![written, "7 fdatasync(8</j/witness>) = 0", kept],
        vec![written, "7 fdatasync(9</j/00000001.log>) = -1 EIO (Input/output error)", kept],
        vec!["6 fdatasync(9</j/00000001.log> <unfinished ...>", written, "6 <... fdatasync resumed>) = 0", kept],
        vec![written, "7 fdatasync(9</j/00000001.log> <unfinished ...>", kept, "7 <... fdatasync resumed>) = 0"],
    ] {
        assert!(check(&wrong.join("\n"), &frames).is_err(), "{wrong:#?}");
    }
}
