//! A server that is killed without a word, again and again, while deliveries come and while it opens: whatever it
//! answered is there afterwards, and a consumer is told of each session once, by the id of the notice.
//!
//! `FINIS_KILLS` says how often.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use crate::door::{Scratch, json_lines};
use crate::serving::{Consumer, Serving, post, until};
use crate::world::payload;

const TIME: &str = "2026-05-03T08:42:11.512Z";
const SENDERS: usize = 4;
const WHSEC: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3";

/// What the world saw of it.
#[derive(Default)]
struct Seen {
    /// Sessions of which an event was answered 200, and which.
    answered: Mutex<BTreeSet<(String, char)>>,
    /// Sessions that were begun.
    begun: AtomicUsize,
    /// What nobody answered, with what comes after it in its session: as a provider does, it is posted again.
    unanswered: Mutex<Vec<(String, &'static str)>>,
    /// How often something was posted again.
    again: AtomicUsize,
}

impl Seen {
    fn answered(&self) -> usize {
        self.answered.lock().unwrap().len()
    }
}

/// Posts both events of one session after the other until nobody answers any more.
fn send(url: &str, seen: &Seen) {
    loop {
        let left = seen.unanswered.lock().unwrap().pop();
        seen.again.fetch_add(usize::from(left.is_some()), Ordering::SeqCst);
        let (id, kinds) = left.unwrap_or_else(|| (format!("s-{}", seen.begun.fetch_add(1, Ordering::SeqCst)), "ET"));
        for (at, kind) in kinds.char_indices() {
            match post(url, &[], &payload(kind, &id, TIME)) {
                Some((200, _)) => drop(seen.answered.lock().unwrap().insert((id.clone(), kind))),
                Some((status, text)) => panic!("{status}: {text}"),
                // It was killed.
                None => return seen.unanswered.lock().unwrap().push((id, &kinds[at..])),
            }
        }
    }
}

#[test]
fn what_was_answered_outlives_every_kill_and_is_told_once() {
    let kills: usize = std::env::var("FINIS_KILLS").map_or(4, |text| text.parse().expect("a number"));
    let scratch = Scratch::new();
    let consumer = Consumer::start();
    scratch.write(
        "finis.toml",
        format!(
            "[listen]\naddress = \"127.0.0.1:0\"\n[source.desk]\nprovider = \"pathors\"\nunsigned = true\n\
             [webhook.crm]\nurl = \"{}\"\nallow = [\"127.0.0.1\"]\nsecret_env = \"WHSEC\"\n",
            consumer.url()
        ),
    );
    let seen = Arc::new(Seen::default());
    let mut while_opening = 0;
    for round in 0..kills {
        let serving = Serving::start(scratch.finis("serve").env("WHSEC", WHSEC));
        if round % 4 == 2 {
            // One of four at some moment of its opening; there is nothing to wait for that says which.
            std::thread::sleep(Duration::from_millis((round * 53 % 400) as u64));
            while_opening += usize::from(!serving.err.all().iter().any(|line| line.contains("listening")));
            continue;
        }
        let url = serving.url("/hooks/desk");
        let senders: Vec<_> = (0..SENDERS)
            .map(|_| {
                let (url, seen) = (url.clone(), Arc::clone(&seen));
                std::thread::spawn(move || send(&url, &seen))
            })
            .collect();
        // At another moment each time: of requests, of commits, of what is handed over.
        let more = seen.answered() + 20 + round * 37 % 50;
        until("answers", || (seen.answered() >= more).then_some(()));
        // Dropped, it is killed.
        drop(serving);
        for sender in senders {
            sender.join().unwrap();
        }
    }

    let answered = seen.answered.lock().unwrap().clone();
    let ended: BTreeSet<&String> = answered
        .iter()
        .filter(|(id, kind)| *kind == 'T' && answered.contains(&(id.clone(), 'E')))
        .map(|(id, _)| id)
        .collect();
    assert!(ended.len() > kills, "{answered:?}");
    let serving = Serving::start(scratch.finis("serve").env("WHSEC", WHSEC));
    // Whoever is told to stop before it listens for that ends by the signal.
    serving.address("address");
    let told = |consumer: &Consumer| -> BTreeSet<String> {
        let of = |bodies: Vec<String>| {
            let notice: Value = serde_json::from_str(&bodies[0]).unwrap();
            notice["record"]["session"].as_str().unwrap().to_owned()
        };
        consumer.taken().into_values().map(of).collect()
    };
    until("a notice of every session that has ended", || {
        let told = told(&consumer);
        ended.iter().all(|id| told.contains(*id)).then_some(())
    });
    serving.stop();

    // Each is told under one id, and says the same however often it came.
    let mut sessions = BTreeSet::new();
    for (id, bodies) in consumer.taken() {
        let notice: Value = serde_json::from_str(&bodies[0]).unwrap();
        assert_eq!(notice["id"], Value::from(id.clone()));
        assert_eq!((&notice["kind"], &notice["revision"]), (&Value::from("complete"), &Value::from(1)));
        let session = notice["record"]["session"].as_str().unwrap().to_owned();
        assert!(sessions.insert(session), "told under two ids: {notice}");
        assert!(bodies.iter().all(|body| *body == bodies[0]), "{id} says different things: {bodies:?}");
    }

    // Whatever was answered is in the store.
    let exported = json_lines(&scratch.finis("export").fine().out);
    let kept: BTreeSet<(String, char)> = exported
        .iter()
        .filter_map(|line| {
            let body = match &line["body"] {
                Value::String(text) => serde_json::from_str(text).unwrap(),
                body => body.clone(),
            };
            let kind = if body["event"] == "session.ended" { 'E' } else { 'T' };
            Some((body["sessionId"].as_str()?.to_owned(), kind))
        })
        .collect();
    let lost: Vec<_> = answered.difference(&kept).collect();
    assert!(lost.is_empty(), "{} were answered and are lost: {lost:?}", lost.len());
    assert_eq!(scratch.finis("doctor").run().code, 0);
    println!(
        "{kills} kills, {while_opening} of them before it listened; {} deliveries answered, {} sessions gone on with \
         after a kill, {} notices, posted {} times",
        answered.len(),
        seen.again.load(Ordering::SeqCst),
        sessions.len(),
        consumer.taken().values().map(Vec::len).sum::<usize>(),
    );
}
