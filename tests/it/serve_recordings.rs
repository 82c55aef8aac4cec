//! Recordings, by the command: fetched, kept, read, shown, forgotten.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::door::{Scratch, json_lines};
use crate::serving::{Serving, get, post, until};

const SECRET: &str = "s3cret";
const TOKEN: &str = "0123456789abcdef";
const BODY: &str = "OggS, and the call";

/// A host that has a recording at `/here.ogg`. Where it is.
pub(crate) fn host() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // It ends with the process.
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let lines: Vec<String> =
                BufReader::new(&stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
            let is_here = lines.first().is_some_and(|line| line.starts_with("GET /here.ogg"));
            let (status, body) = if is_here { ("200 OK", BODY) } else { ("404 Not Found", "") };
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-type: audio/ogg\r\n");
            // Whoever asked may have gone.
            let _ = write!(stream, "{head}content-length: {length}\r\n\r\n{body}");
        }
    });
    format!("http://{address}")
}

fn config(recordings: &str) -> String {
    format!(
        "[listen]\naddress = \"127.0.0.1:0\"\n[read]\naddress = \"127.0.0.1:0\"\ntoken_env = \"TOKEN\"\n\
         [watch]\naddress = \"127.0.0.1:0\"\n[source.desk]\nprovider = \"pathors\"\nheader = \"x-secret\"\n\
         secret_env = \"SECRET\"\n{recordings}"
    )
}

fn start(scratch: &Scratch) -> Serving {
    Serving::start(scratch.finis("serve").env("SECRET", SECRET).env("TOKEN", TOKEN))
}

fn ready(serving: &Serving, session: &str, url: &str) {
    let body = json!({
        "event": "recording.ready", "sessionId": session, "projectId": "p", "timestamp": "2026-05-03T08:42:30.114Z",
        "success": true, "recordingUrl": url,
    });
    let answer = post(&serving.url("/hooks/desk"), &[("x-secret", SECRET)], &body.to_string()).unwrap();
    assert_eq!(answer.0, 200, "{answer:?}");
}

/// What is said of the recording of a session, when something is.
fn told(serving: &Serving, session: &str) -> Value {
    let url = format!("http://{}/v1/sessions/desk/{session}/recordings", serving.address("read"));
    until("what came of a recording", || get(&url, TOKEN).1["recordings"].get(0).cloned())
}

fn files(folder: &std::path::Path) -> Vec<PathBuf> {
    let sessions = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    sessions.flat_map(|session| std::fs::read_dir(session).unwrap()).map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_recording_is_fetched_read_shown_and_forgotten() {
    let (scratch, host) = (Scratch::new(), host());
    // Once where it is kept unless told, and once elsewhere.
    for (folder, line) in [("finis.db/recordings", ""), ("far/away", "folder = \"far/away\"\n")] {
        let recordings = format!("[source.desk.recordings]\n{line}allow = [\"127.0.0.1\"]\n");
        scratch.write("finis.toml", config(&recordings));
        let serving = start(&scratch);
        let [here, refused] = ["here", "refused"].map(|name| format!("{name}-{}", line.len()));
        ready(&serving, &here, &format!("{host}/here.ogg?signature=canary"));
        ready(&serving, &refused, "http://10.0.0.1/recording.ogg");
        let archived = told(&serving, &here);
        assert_eq!((&archived["outcome"], &archived["bytes"]), (&json!("archived"), &json!(BODY.len())));
        assert_eq!(told(&serving, &refused)["outcome"], "failed");
        // It is counted once it is said.
        let metrics = format!("http://{}/metrics", serving.address("watch"));
        until("a recording that is counted", || {
            let (_, text) = get(&metrics, TOKEN);
            let line = "finis_recordings_total{source=\"desk\",outcome=\"archived\"} 1";
            text.as_str().is_some_and(|text| text.lines().any(|known| known == line)).then_some(())
        });

        // Another folder needs a restart.
        scratch.write("finis.toml", config("[source.desk.recordings]\nfolder = \"other\"\n"));
        let reloaded = scratch.finis("reload").env("SECRET", SECRET).env("TOKEN", TOKEN).fine();
        assert!(reloaded.out.contains("source.NAME.recordings"), "{}", reloaded.out);
        let err = serving.err.clone();
        serving.stop();
        assert!(!err.all().join("\n").contains("canary"), "{:#?}", err.all());

        let shown = scratch.finis(&format!("show {here}")).fine().out;
        let name = archived["file"].as_str().unwrap();
        assert!(shown.contains("archived") && shown.contains(name), "{shown}");
        let lines = json_lines(&scratch.finis(&format!("show {here} --json")).fine().out);
        assert_eq!(lines[lines.len() - 2]["recording"], archived);
        assert_eq!(lines[lines.len() - 1]["entry"], "record");

        let folder = scratch.path().join(folder);
        assert_eq!(files(&folder).len(), 3);
        let erased = scratch.finis(&format!("forget {here} --yes --json")).fine().json();
        assert_eq!(erased["recordings"], 1);
        assert_eq!(files(&folder).len(), 1);
        let backup = scratch.finis(&format!("backup --to backup-{}", line.len())).fine().out;
        assert!(backup.contains("Recordings are not in it"), "{backup}");
    }
    // What cannot be looked for is not passed over.
    std::fs::remove_dir_all(scratch.path().join("far")).unwrap();
    let ended = scratch.finis("forget refused-0 --yes").run();
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("which is not there"), "{}", ended.err);
}

#[test]
fn where_nothing_is_kept_nothing_is_fetched() {
    let (scratch, host) = (Scratch::new(), host());
    scratch.write("finis.toml", config("[source.desk.recordings]\nallow = [\"127.0.0.1\"]\n"));
    let serving = start(&scratch);
    ready(&serving, "s-1", &format!("{host}/here.ogg"));
    told(&serving, "s-1");
    serving.stop();
    // Its consumer goes, too: it would hold notices back.
    scratch.write("finis.toml", config(""));
    let serving = start(&scratch);
    ready(&serving, "s-2", &format!("{host}/here.ogg"));
    let consumers = get(&format!("http://{}/v1/consumers", serving.address("read")), TOKEN).1;
    assert_eq!(consumers["consumers"], json!([]));
    let url = |session| format!("http://{}/v1/sessions/desk/{session}/recordings", serving.address("read"));
    assert_eq!(get(&url("s-2"), TOKEN), (200, json!({"recordings": []})));
    // What was fetched before is still shown.
    assert_eq!(get(&url("s-1"), TOKEN).1["recordings"][0]["outcome"], "archived");
    serving.stop();
}
