//! The process that receives: the real one, with its store, and a bare one.

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use axum::Router;
use axum::routing::post;
use bytes::Bytes;
use finis_engine::live::SessionKey;
use finis_engine::log::LogRead as _;
use finis_engine::{Clock, Denied, Engine, Settings, Source, Terms, Timestamp, Verify};
use finis_http::{listen, receive};
use finis_providers::Catalogue;
use finis_providers::signature::{Options, Request, Secret, Verifier};
use finis_store::EmbeddedLog;
use tokio::net::TcpListener;

use crate::deliveries::{HEADER, SECRET, SOURCE, Sent};

/// What this program is told to be a receiver.
pub(crate) const COMMAND: &str = "receiver";

/// Ticks of processor time a second, as Linux counts them.
const TICKS: f64 = 100.0;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bare,
    Finis,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Bare => "bare",
            Kind::Finis => "finis",
        }
    }
}

/// A receiver that runs.
pub(crate) struct Receiver {
    child: Child,
    folder: tempfile::TempDir,
    pub(crate) address: SocketAddr,
}

/// What a process used so far, and has.
pub(crate) struct Usage {
    pub(crate) cpu_seconds: f64,
    pub(crate) memory_bytes: u64,
}

impl Receiver {
    /// Starts one, with its store in a new folder within this one.
    pub(crate) fn start(kind: Kind, within: &Path, queue_max: Option<usize>) -> io::Result<Receiver> {
        let folder = tempfile::Builder::new().prefix("finis-load-").tempdir_in(within)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args([COMMAND, kind.name()]).arg(folder.path()).args(queue_max.map(|max| max.to_string()));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        let address = line.trim().parse().map_err(|_| io::Error::other("the receiver did not begin"))?;
        Ok(Receiver { child, folder, address })
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
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
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(io::Error::other("the receiver ended badly")) }
    }

    /// Kills it. Its folder stays until this program ends.
    pub(crate) fn kill(mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        let _ = self.folder.keep();
        Ok(())
    }
}

/// How many of these deliveries a store has not, and removes it.
pub(crate) async fn lost(folder: &Path, acknowledged: &[Sent]) -> io::Result<usize> {
    let (log, _) = EmbeddedLog::open(folder, &finis_store::Settings::default()).map_err(io::Error::other)?;
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
    std::fs::remove_dir_all(folder)?;
    Ok(lost)
}

fn key(sent: Sent) -> SessionKey {
    SessionKey { source: SOURCE.to_owned(), subject: "session".to_owned(), id: sent.id() }
}

/// Is a receiver until its input ends.
pub(crate) fn run(arguments: &[String]) -> io::Result<()> {
    let [kind, folder, rest @ ..] = arguments else { return Err(io::Error::other("a kind and a folder")) };
    let queue_max = rest.first().and_then(|max| max.parse().ok());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        let stop = async {
            let wait = || io::stdin().read_to_end(&mut Vec::new());
            let _ = tokio::task::spawn_blocking(wait).await;
        };
        if kind == Kind::Bare.name() {
            let router = Router::new().route("/hooks/{source}", post(|body: Bytes| async move { drop(body) }));
            return axum::serve(listener, router).with_graceful_shutdown(stop).await;
        }
        let (log, _) =
            EmbeddedLog::open(Path::new(folder), &finis_store::Settings::default()).map_err(io::Error::other)?;
        let mut settings = Settings::default();
        settings.queue_max = queue_max.unwrap_or(settings.queue_max);
        let log = Arc::new(log);
        let (engine, writer) = Engine::new(Arc::clone(&log) as _, Arc::new(SystemClock), [source()?], settings);
        let writing = tokio::spawn(writer.run());
        let router = receive::router(engine.clone(), receive::Settings::default());
        // All of them come from one address.
        let limits = listen::Limits { connections_per_peer_max: 4096, ..listen::Limits::default() };
        listen::serve(listener, router, limits, stop).await?;
        engine.close().await;
        writing.await?.map_err(io::Error::other)?;
        log.finish().await.map_err(io::Error::other)
    })
}

fn source() -> io::Result<Source> {
    let catalogue = Catalogue::shipped();
    let contract = catalogue.get("pathors").ok_or_else(|| io::Error::other("pathors is not shipped"))?.clone();
    let options = Options { header: Some(HEADER.to_owned()), ..Options::default() };
    let verifier = Verifier::new(contract.signature(), &[Secret::new(SECRET)], &options).map_err(io::Error::other)?;
    let terms = Terms::new(&contract);
    Ok(Source { name: SOURCE.to_owned(), contract: Arc::new(contract), terms, verify: Box::new(Signed(verifier)) })
}

struct Signed(Verifier);

impl Verify for Signed {
    fn verify(&self, headers: &[(&str, &str)], body: &[u8], now: Timestamp) -> Result<(), Denied> {
        let request = Request { url: None, headers: headers.iter().copied(), body };
        self.0.verify(request, now).map(drop).map_err(|refused| Denied { reason: refused.to_string() })
    }
}

struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
        Timestamp::from_unix(seconds, since.subsec_micros() * 1000, 6).unwrap_or(Timestamp::MAX)
    }

    async fn sleep_until(&self, at: Timestamp) {
        tokio::time::sleep(at.since(self.now()).min(Duration::from_secs(30))).await;
    }
}
