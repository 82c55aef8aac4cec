//! `finis notices parked`, `retry` and `skip`: what a consumer did not take, looked at and let go on from outside.

use std::sync::{Arc, Mutex};

use finis::engine::{Failure, Handler, Placed, Policy, Then, Timestamp};
use finis::live::Finis;
use finis::providers::Catalogue;
use serde_json::Value;

use crate::door::Scratch;
use crate::store_commands::{close, live};

/// A consumer that fails as its sessions are called, until it is well.
#[derive(Clone, Default)]
struct Crm {
    is_well: bool,
    taken: Arc<Mutex<Vec<String>>>,
}

impl Handler for Crm {
    type Error = String;

    async fn handle(&self, placed: Placed) -> Result<(), String> {
        let session = placed.notice.key.id();
        if self.is_well {
            self.taken.lock().unwrap().push(format!("{session}{}", placed.notice.revision));
            Ok(())
        } else {
            Err(session.to_owned())
        }
    }

    fn failed(&self, session: String, _: u32, now: Timestamp) -> Failure {
        let then = match session.as_str() {
            "later" => Then::At(now.plus(std::time::Duration::from_secs(86_400))),
            "gone" => Then::Close,
            _ => Then::Park,
        };
        Failure::new(format!("{session} was not taken"), then)
    }
}

async fn end(finis: &Finis, session: &str, changes: usize) {
    for (kind, second) in [("ended", 0), ("finalized", 1)].into_iter().chain((0..changes).map(|_| ("finalized", 2))) {
        let body = format!(
            r#"{{"event":"session.{kind}","sessionId":"{session}","timestamp":"2026-05-03T08:42:{second:02}Z","messagesCount":{second}}}"#
        );
        finis.receive("desk", &[], body.as_bytes()).await.unwrap();
    }
}

/// Hands over until so much is parked, or taken.
async fn deliver(finis: &Finis, crm: Crm, parked: usize, taken: usize) {
    let policy = Policy { aside_after: Some(std::time::Duration::from_secs(60)), ..Policy::default() };
    let handover = finis.deliver("webhook:crm", policy, crm.clone()).await.unwrap();
    for _ in 0..3_000 {
        if finis.parked("webhook:crm").await.unwrap().len() == parked && crm.taken.lock().unwrap().len() == taken {
            handover.stop().await.unwrap();
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{:?} {:?}", finis.parked("webhook:crm").await, crm.taken);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_taken_is_listed_sent_again_or_let_be() {
    let scratch = Scratch::new();
    let finis = live(scratch.path(), &Catalogue::shipped()).await;
    end(&finis, "later", 0).await;
    end(&finis, "dead", 1).await;
    end(&finis, "also", 0).await;
    deliver(&finis, Crm::default(), 4, 0).await;
    end(&finis, "gone", 0).await;
    deliver(&finis, Crm::default(), 5, 0).await;

    // Beside whoever has it, it is looked at and not changed.
    let beside = scratch.finis("notices parked webhook:crm").run();
    assert_eq!(beside.code, 0, "{}", beside.err);
    assert!(beside.out.contains("5 notices parked"), "{}", beside.out);
    assert!(beside.out.contains("Closed: webhook:crm is gone"), "{}", beside.out);
    assert!(beside.out.contains("`finis notices retry webhook:crm`"), "{}", beside.out);
    let pid = std::process::id();
    for change in ["retry webhook:crm", "skip webhook:crm 2"] {
        let held = format!(
            "finis: cannot open the store at `finis.db`: held by process {pid}; stop it, or give another --store"
        );
        scratch.finis(&format!("notices {change}")).fails_with(&held);
    }
    close(finis, &scratch).await;

    let listed = || -> Vec<String> {
        let lines = scratch.finis("notices parked --json").fine().out;
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.map(|line| format!("{} {} {}", line["seq"], line["session"], line["state"]).replace('"', "")).collect()
    };
    assert_eq!(listed(), ["1 later waiting", "2 dead dead", "3 dead held", "4 also dead", "5 gone closed"]);
    let lines = scratch.finis("notices parked webhook:crm --json").fine().out;
    let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!((&first["tries"], &first["reason"]), (&Value::from(1), &Value::from("later was not taken")));
    assert!(first["again_at"].as_str().unwrap().ends_with('Z'));

    scratch
        .finis("notices retry nobody")
        .fails_with("finis: no consumer of the store is called nobody: there are webhook:crm");
    let none = "finis: notice 9 is not parked for webhook:crm: `finis notices parked webhook:crm` lists those that are";
    scratch.finis("notices retry webhook:crm 9").fails_with(none);
    scratch.finis("notices skip webhook:crm 9").fails_with(none);
    assert_eq!(
        scratch.finis("notices skip webhook:crm 4").fine().out,
        "notice 4 counts as dealt with by webhook:crm\n"
    );
    let again = scratch.finis("notices retry webhook:crm 3").fine().out;
    assert_eq!(again, "2 notices to be handed over to webhook:crm again\n");
    assert_eq!(listed(), ["1 later waiting", "5 gone closed"]);

    // Let go on, it takes all, also what would have waited for a day.
    let well = Crm { is_well: true, ..Crm::default() };
    scratch.finis("notices retry webhook:crm").fine();
    let finis = live(scratch.path(), &Catalogue::shipped()).await;
    deliver(&finis, well.clone(), 0, 4).await;
    let mut taken = well.taken.lock().unwrap().clone();
    let place = |notice: &str| taken.iter().position(|taken| taken == notice);
    assert!(place("dead1") < place("dead2"), "{taken:?}");
    taken.sort();
    assert_eq!(taken, ["dead1", "dead2", "gone1", "later1"]);
    close(finis, &scratch).await;
    assert_eq!(scratch.finis("notices parked").fine().out, "0 notices parked\n");
}
