//! Dead letters of a server that runs: listed, sent again and let be by command, while it takes deliveries.

use serde_json::Value;

use crate::door::Scratch;
use crate::serving::{Consumer, Serving, post, until};

const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What is said when one notice is sent again.
const AGAIN: &str = "1 notice to be handed over to webhook:crm again\n";

/// What is parked, as `SEQ STATE`.
fn parked(scratch: &Scratch) -> Vec<String> {
    let lines = scratch.finis("notices parked webhook:crm --json").run();
    assert_eq!(lines.code, 0, "{}", lines.err);
    let lines = lines.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.map(|line| format!("{} {}", line["seq"], line["state"]).replace('"', "")).collect()
}

fn end(serving: &Serving, session: &str) {
    for (kind, more) in [("ended", ""), ("finalized", r#","messagesCount":2"#)] {
        let body =
            format!(r#"{{"event":"session.{kind}","sessionId":"{session}","timestamp":"2026-05-03T08:42:11Z"{more}}}"#);
        assert_eq!(post(&serving.url("/hooks/desk"), &[], &body).unwrap().0, 200);
    }
}

#[test]
fn a_server_that_runs_sends_again_what_it_is_told_to() {
    let (scratch, consumer) = (Scratch::new(), Consumer::start());
    scratch.write(
        "finis.toml",
        format!(
            "[listen]\naddress = \"127.0.0.1:0\"\n[source.desk]\nprovider = \"pathors\"\nunsigned = true\n\
             subscribe = [\"session.ended\", \"session.finalized\"]\n\
             [webhook.crm]\nurl = \"{}\"\nallow = [\"127.0.0.1\"]\nsecret_env = \"WHSEC\"\n",
            consumer.url()
        ),
    );
    let serving = Serving::start(scratch.finis("serve").env("WHSEC", WHSEC));
    // It is gone, and what comes after that waits until somebody says that it is there again.
    consumer.answer(410);
    end(&serving, "one");
    until("the first is parked", || (parked(&scratch) == ["1 closed"]).then_some(()));
    end(&serving, "two");

    let unknown = "finis: no consumer of the store is called nobody: there are webhook:crm";
    scratch.finis("notices retry nobody").fails_with(unknown);
    scratch.finis("notices skip nobody 1").fails_with(unknown);
    let none = "finis: notice 9 is not parked for webhook:crm: `finis notices parked webhook:crm` lists those that are";
    scratch.finis("notices retry webhook:crm 9").fails_with(none);
    scratch.finis("notices skip webhook:crm 9").fails_with(none);
    assert_eq!(parked(&scratch), ["1 closed"]);
    // Still gone: what is under way when that is said is tried, and that is all.
    assert_eq!(scratch.finis("notices retry webhook:crm").fine().out, AGAIN);
    until("it was tried, in vain", || parked(&scratch).first().is_some_and(|first| first == "1 closed").then_some(()));
    assert!(consumer.taken().is_empty());

    consumer.answer(204);
    until("what was sent again, and what waited behind it", || {
        // One or both; and what was under way may have been told once more that it is gone.
        scratch.finis("notices retry webhook:crm").fine();
        (consumer.taken().len() == 2).then_some(())
    });
    until("nothing is parked", || parked(&scratch).is_empty().then_some(()));

    consumer.answer(410);
    end(&serving, "three");
    until("it is gone again", || (parked(&scratch) == ["3 closed"]).then_some(()));
    consumer.answer(204);
    let skipped = scratch.finis("notices skip webhook:crm 3").fine().out;
    assert_eq!(skipped, "notice 3 counts as dealt with by webhook:crm\n");
    end(&serving, "four");
    until("what comes after one that was let be", || (consumer.taken().len() == 3).then_some(()));
    let sessions: Vec<Value> =
        consumer.taken().into_values().map(|bodies| serde_json::from_str(&bodies[0]).unwrap()).collect();
    let mut sessions: Vec<&str> = sessions.iter().map(|notice| notice["record"]["session"].as_str().unwrap()).collect();
    sessions.sort_unstable();
    assert_eq!(sessions, ["four", "one", "two"]);
    serving.stop();
    // Nobody has the store any more: the command does it by itself.
    assert_eq!(
        scratch.finis("notices retry webhook:crm").fine().out,
        "0 notices to be handed over to webhook:crm again\n"
    );
}
