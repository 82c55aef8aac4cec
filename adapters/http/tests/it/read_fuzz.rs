//! Whatever a stranger makes of the document: schemathesis, from `PyPI`, asks the router.
//!
//! To install it takes minutes, so that it is done when `FINIS_SCHEMATHESIS=1` says so, or not at all when the
//! variable says where it is; where there is no Python or no registry, that is said and nothing is tested.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use tokio::process::Command;
use tokio::time::timeout;

use crate::read_world::{TOKEN, World};

/// What it is installed as: another may ask otherwise, and that is no news of ours.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";

/// For as long it asks.
const SECONDS: &str = "60";

/// Runs a command: what it printed when it did what it was to, and when it did not.
async fn run(command: &mut Command) -> Result<String, String> {
    let command = command.stdin(Stdio::null()).kill_on_drop(true);
    let done = timeout(Duration::from_secs(600), command.output()).await.map_err(|_| "it came to no end".to_owned())?;
    let done = done.map_err(|error| error.to_string())?;
    let told = [done.stdout, done.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    if done.status.success() { Ok(told) } else { Err(told) }
}

/// Installs it in a folder of its own: where it is, or why it is not.
async fn install(folder: &Path) -> Result<PathBuf, String> {
    let at = |name: &str| folder.join("venv/bin").join(name);
    let made = run(Command::new("python3").args(["-m", "venv", "venv"]).current_dir(folder)).await;
    made.map_err(|reason| format!("there is no Python, or none with venv: {reason}"))?;
    let installed = run(Command::new(at("pip")).args(["install", "-q", SCHEMATHESIS])).await;
    installed.map_err(|reason| format!("schemathesis cannot be installed: {reason}"))?;
    Ok(at("schemathesis"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_stranger_asks_is_answered_as_the_document_says() {
    let folder = tempfile::tempdir().unwrap();
    let found = match std::env::var("FINIS_SCHEMATHESIS") {
        Ok(set) if set == "1" => install(folder.path()).await,
        Ok(path) if !path.is_empty() => Ok(path.into()),
        _ => Err("FINIS_SCHEMATHESIS=1 installs schemathesis and runs it".to_owned()),
    };
    let schemathesis = match found {
        Ok(schemathesis) => schemathesis,
        Err(reason) => return println!("skipped: {reason}"),
    };

    let world = World::with(|settings| settings.heartbeat = Duration::from_millis(100)).await;
    for number in 0..200 {
        world.receive(["E", "EC", "ECF", "F", "T"][number % 5], &format!("s-{number}")).await;
    }
    world.post("/v1/notices/ack", &json!({"consumer": "crm", "seq": 2})).await.fine();
    // A stream has no end while the server runs: each is let go after a while, and cut off is not an answer. Its
    // own tests have it.
    let url = format!("http://{}", world.address);
    let told = run(Command::new(schemathesis)
        .args(["run", &format!("{url}/v1/openapi.json"), "--url", &url])
        .args(["--header", &format!("Authorization: Bearer {TOKEN}")])
        .args([
            "--checks",
            "not_a_server_error,response_schema_conformance,status_code_conformance,content_type_conformance",
        ])
        .args(["--exclude-path", "/v1/stream"])
        .args(["--max-time", SECONDS, "--request-timeout", "20", "--continue-on-failure", "--no-color"])
        .env("PYTHONUNBUFFERED", "1")
        .current_dir(folder.path()))
    .await;
    println!("{}", told.as_ref().unwrap_or_else(|told| told));
    let told = told.expect("schemathesis found what is not as the document says");
    assert!(told.contains("Test cases:"), "it asked nothing");
    // It is well after all that.
    assert_eq!(world.read("/v1/sessions?limit=1").await["sessions"].as_array().unwrap().len(), 1);
    world.close().await;
}
