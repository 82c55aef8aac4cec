//! The process that receives: the real one, with its store, and a bare one.

use std::io::{self, BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use axum::Router;
use axum::routing::post;
use bytes::Bytes;
use finis_engine::live::SessionKey;
use finis_engine::log::LogRead as _;
use finis_store::EmbeddedLog;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::deliveries::{HEADER, SECRET, SOURCE, Sent};

/// What this program is told to be the bare receiver.
pub(crate) const COMMAND: &str = "bare-receiver";

/// Ticks of processor time a second, as Linux counts them.
const TICKS: f64 = 100.0;

/// Where the store is, in the folder of a receiver.
const STORE: &str = "store";

/// The variable with the secret.
const SECRET_VARIABLE: &str = "LOAD_SECRET";

/// Who receives.
#[derive(Clone, Copy)]
pub(crate) enum Kind<'a> {
    /// Reads the body, and answers 200.
    Bare,
    /// `finis serve`, of this binary; so many deliveries may wait in it, if that is said.
    Finis(&'a Path, Option<usize>),
}

impl Kind<'_> {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Bare => "bare",
            Kind::Finis(..) => "finis",
        }
    }
}

/// A receiver that runs.
pub(crate) struct Receiver {
    child: Child,
    /// Told to by a signal, it ends; the bare one when its input does.
    ends_by_signal: bool,
    folder: TempDir,
    pub(crate) address: SocketAddr,
}

/// What a process used so far, and has.
pub(crate) struct Usage {
    pub(crate) cpu_seconds: f64,
    pub(crate) memory_bytes: u64,
}

impl Receiver {
    /// Starts one, with its store in a new folder within this one.
    pub(crate) fn start(kind: Kind<'_>, within: &Path) -> io::Result<Receiver> {
        let folder = tempfile::Builder::new().prefix("finis-load-").tempdir_in(within)?;
        let mut command = match kind {
            Kind::Bare => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg(COMMAND).stderr(Stdio::inherit()).stdout(Stdio::piped());
                command
            }
            Kind::Finis(binary, queue_max) => {
                let config = folder.path().join("finis.toml");
                std::fs::write(&config, told(queue_max))?;
                let mut command = Command::new(binary);
                command.args(["serve", "--log", "json", "--config"]).arg(config).env(SECRET_VARIABLE, SECRET);
                command.stderr(Stdio::piped()).stdout(Stdio::null());
                command
            }
        };
        let mut child = command.stdin(Stdio::piped()).spawn()?;
        let output: Box<dyn Read + Send> = match (child.stdout.take(), child.stderr.take()) {
            (Some(output), _) => Box::new(output),
            (None, Some(output)) => Box::new(output),
            (None, None) => return Err(io::Error::other("the receiver says nothing")),
        };
        let mut output = BufReader::new(output);
        let mut line = String::new();
        output.read_line(&mut line)?;
        let address = address(&line);
        let address = address.ok_or_else(|| io::Error::other(format!("the receiver did not begin: {line}")))?;
        // It says something now and then, and must not wait until that is read.
        std::thread::spawn(move || drop(io::copy(&mut output, &mut io::sink())));
        Ok(Receiver { child, ends_by_signal: matches!(kind, Kind::Finis(..)), folder, address })
    }

    /// What it used; nothing where there is no `/proc`.
    pub(crate) fn usage(&self) -> Usage {
        let read = |name: &str| std::fs::read_to_string(format!("/proc/{}/{name}", self.child.id()));
        let stat = read("stat").unwrap_or_default();
        // After the name of the program, which may hold anything: user and system are the 12th and 13th.
        let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
        let ticks = fields.split(' ').skip(11).take(2).filter_map(|field| field.parse::<f64>().ok());
        let status = read("status").unwrap_or_default();
        let resident =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().split(' ').next()?.parse::<u64>().ok());
        Usage { cpu_seconds: ticks.sum::<f64>() / TICKS, memory_bytes: resident.unwrap_or(0) << 10 }
    }

    /// Lets it end by itself, and waits for that.
    pub(crate) fn stop(mut self) -> io::Result<()> {
        drop(self.child.stdin.take());
        if self.ends_by_signal {
            Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        }
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(io::Error::other("the receiver ended badly")) }
    }

    /// Kills it. Its folder stays.
    pub(crate) fn kill(mut self) -> io::Result<TempDir> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(self.folder)
    }
}

/// What `finis serve` is told. All deliveries come from one address.
fn told(queue_max: Option<usize>) -> String {
    let queue_max = queue_max.map_or_else(String::new, |max| format!("queue_max = {max}\n"));
    format!(
        "[store]\npath = \"{STORE}\"\n\n[listen]\naddress = \"127.0.0.1:0\"\n\n\
         [limits]\nconnections_per_peer_max = 4096\n{queue_max}\n\
         [source.{SOURCE}]\nprovider = \"pathors\"\nheader = \"{HEADER}\"\nsecret_env = \"{SECRET_VARIABLE}\"\n"
    )
}

/// The address in a line, wherever it stands.
fn address(line: &str) -> Option<SocketAddr> {
    let from = line.find("127.0.0.1:")?;
    let rest = &line[from..];
    rest[..rest.find(|letter: char| !letter.is_ascii_digit() && !".:".contains(letter)).unwrap_or(rest.len())]
        .parse()
        .ok()
}

/// How many of these deliveries the store of a receiver has not.
pub(crate) async fn lost(folder: &Path, acknowledged: &[Sent]) -> io::Result<usize> {
    let (log, _) =
        EmbeddedLog::open(&folder.join(STORE), &finis_store::Settings::default()).map_err(io::Error::other)?;
    let mut lost = 0;
    for some in acknowledged.chunks(1024) {
        let keys: Vec<SessionKey> = some.iter().map(|sent| key(*sent)).collect();
        let stored = log.load(&keys).await.map_err(io::Error::other)?;
        for (sent, stored) in some.iter().zip(stored) {
            let kinds = ["session.ended", "call.ended", "recording.ready", "session.finalized"];
            let kind = kinds[usize::from(sent.step)].as_bytes();
            let has =
                stored.events.iter().any(|event| event.delivery.body.windows(kind.len()).any(|part| part == kind));
            lost += usize::from(!has);
        }
    }
    log.close().await.map_err(io::Error::other)?;
    Ok(lost)
}

fn key(sent: Sent) -> SessionKey {
    SessionKey::new(SOURCE, "session", &sent.id())
}

/// Is the bare receiver until its input ends.
pub(crate) fn bare() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        let stop = async {
            let wait = || io::stdin().read_to_end(&mut Vec::new());
            let _ = tokio::task::spawn_blocking(wait).await;
        };
        let router = Router::new().route("/hooks/{source}", post(|body: Bytes| async move { drop(body) }));
        axum::serve(listener, router).with_graceful_shutdown(stop).await
    })
}
