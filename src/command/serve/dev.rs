//! `finis serve --dev`: a folder with a file, a secret and a store, and a command line that posts to it.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use finis::engine::contract::draft::{Mac, SecretForm};
use finis::engine::log::Delivery;
use finis::engine::{Clock as _, Contract, Key, Partial, Reader, Record, Status, SubjectId, Timestamp};
use finis::live::{Finis, Secret, SystemClock};
use finis::providers::Catalogue;
use finis::providers::signature::{Options, Outgoing, Signer};
use finis::serve::{Config, SourceConfig};
use finis_simulator::faults::{Faults, Origin};
use finis_simulator::script::Script;
use finis_simulator::world::{Settings, World};

use super::super::{Failure, say_lines};
use super::shell::{Timed, quoted};

const FOLDER: &str = "finis-dev";

/// The contract of a source when none is named.
const PROVIDER: &str = "pathors";

/// The header of a secret, where the provider leaves it to the user.
const HEADER: &str = "x-webhook-secret";

/// Who is told notices.
const CONSUMER: &str = "dev";

/// Worlds of one session that are looked through for one that a single event ends.
const WORLDS: u64 = 64;

/// What is in the folder, which is made if it is not there.
pub(super) fn config(provider: Option<&str>) -> Result<Config, Failure> {
    let folder = Path::new(FOLDER);
    let file = folder.join("finis.toml");
    if !file.exists() {
        make(folder, &file, provider.unwrap_or(PROVIDER))?;
    }
    let config = Config::read(&file).map_err(|error| Failure(format!("cannot serve:\n{error}")))?;
    let is_of = |provider: &str| config.sources.iter().any(|source| source.provider == provider);
    if let Some(provider) = provider.filter(|provider| !is_of(provider)) {
        return Err(Failure(format!(
            "--provider {provider}: `{}` is there already, and has no source of it: remove the folder `{FOLDER}`, or add one",
            file.display()
        )));
    }
    Ok(config)
}

fn make(folder: &Path, file: &Path, provider: &str) -> Result<(), Failure> {
    let catalogue = Catalogue::shipped();
    let contract = catalogue.get(provider).ok_or_else(|| {
        Failure(format!("--provider {provider}: no contract is called so: there are {}", catalogue.names()))
    })?;
    let cannot = |path: &Path| {
        let path = path.display().to_string();
        move |error: std::io::Error| {
            Failure(format!("cannot write `{path}`: {error}; begin in a folder that you may write to"))
        }
    };
    fs::create_dir_all(folder).map_err(cannot(folder))?;
    let place = folder.join("secret");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut secret = options.open(&place).map_err(cannot(&place))?;
    writeln!(secret, "{}", new_secret(contract)?).map_err(cannot(&place))?;
    fs::write(file, told(contract)).map_err(cannot(file))
}

/// A secret as the contract has them, that nobody can guess.
fn new_secret(contract: &Contract) -> Result<String, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Failure(format!("the system gives no random numbers: {error}")))?;
    // These digits are base64, too.
    let text = format!("{:032x}", u128::from_be_bytes(bytes));
    Ok(match contract.draft().signature.as_ref().map(|signature| signature.secret) {
        Some(SecretForm::Whsec) => format!("whsec_{text}"),
        _ => text,
    })
}

/// The file.
fn told(contract: &Contract) -> String {
    let provider = contract.provider();
    // Writing into a String does not fail.
    let mut text = format!(
        "# Made by `finis serve --dev`, to be tried out and changed: docs/serve.md has all there is.\n\n\
         [store]\npath = \"store\"\n\n\
         [source.{provider}]\nprovider = \"{provider}\"\nsecret_file = \"secret\"\n"
    );
    if contract.signature().is_some_and(|signature| signature.headers.is_empty()) {
        let _ = writeln!(text, "header = \"{HEADER}\"");
    }
    text.push_str("# So that you see a notice soon. The contract's own is longer.\ngrace = \"3s\"\n");
    text
}

/// A source with its URL and its secret, and a command line that posts an event to it.
pub(super) fn how_to_post(config: &Config, address: SocketAddr) -> Result<String, Failure> {
    let Some(source) = config.sources.first() else {
        return Err(Failure(format!("{}: there is no source: add one, or remove the folder `{FOLDER}`", config.file)));
    };
    let url = format!("http://{address}/hooks/{}", source.name);
    let posted = Posted::new(config, source, &url)?;
    let mut text = format!(
        "finis serves for development, of the folder `{FOLDER}`\n\n  source    {} ({})\n  url       {url}\n",
        source.name, source.provider
    );
    for secret in &source.secrets {
        let _ = writeln!(text, "  secret    {}", secret.expose());
    }
    if let Some(header) = &source.header {
        let _ = writeln!(text, "  header    {header}");
    }
    text.push_str("  notices   here, as they are said\n\nPost the end of a session:\n\n");
    text.push_str(&posted.line);
    text.push_str("\n\n");
    if let Some(until) = posted.until {
        let _ = writeln!(text, "It is signed once, and taken until {until}: whoever starts this again gets another.\n");
    }
    Ok(text)
}

/// A command line that posts an event as its provider does.
struct Posted {
    line: String,
    /// When it is too old; nothing when never.
    until: Option<Timestamp>,
}

impl Posted {
    /// The end of a session of the source, at the present time.
    fn new(config: &Config, source: &SourceConfig, url: &str) -> Result<Posted, Failure> {
        // It was built when the file was read.
        let contract = config
            .catalogue
            .get(&source.provider)
            .ok_or_else(|| Failure(format!("no contract is called `{}`", source.provider)))?;
        let now = SystemClock.now();
        let (headers, body) = end_of_a_session(contract, source, now)?;
        if contract.draft().signature.as_ref().is_some_and(|signature| signature.mac == Mac::Ed25519) {
            return Err(Failure(format!(
                "{} signs with a key that only it has: nothing can be posted in its place",
                source.provider
            )));
        }
        let secrets: Vec<Secret> = source.secrets.iter().take(1).map(|secret| Secret::new(secret.expose())).collect();
        let options = Options { header: source.header.clone(), tolerance: source.tolerance, unsigned: source.unsigned };
        let signer = Signer::new(contract.signature(), &secrets, &options)?;
        let id = format!("msg_{}", now.unix().0);
        let outgoing = Outgoing { id: Some(&id), url: Some(url), body: body.as_bytes() };
        let signed = signer.sign(&outgoing, now).map_err(|error| Failure(format!("cannot sign: {error}")))?;

        let timed = Timed::of(contract).map(|timed| timed.or_in(source.header.as_deref()));
        let timed = timed.filter(|_| !source.unsigned);
        let word = |(name, value): &(String, String)| quoted(&format!("{name}: {value}"));
        let proof = timed.as_ref().zip(source.secrets.first());
        let proof = proof.and_then(|(timed, secret)| Some((timed, timed.headers(secret.expose(), &id, url)?)));
        if let Some((timed, proof)) = proof {
            let line = curl(url, &headers, &proof, "\"$body\"");
            return Ok(Posted { line: format!("{}{line}", timed.variables(&body)), until: None });
        }
        let proof: Vec<String> = signed.iter().map(word).collect();
        let tolerance = timed.as_ref().and_then(|timed| source.tolerance.or(timed.tolerance()));
        let until = Timestamp::from_unix(now.unix().0, 0, 0).zip(tolerance).map(|(now, span)| now.plus(span));
        Ok(Posted { line: curl(url, &headers, &proof, &quoted(&body)), until })
    }
}

/// What posts a body with these headers and a proof of it, both as a shell takes them.
fn curl(url: &str, headers: &[(String, String)], proof: &[String], body: &str) -> String {
    let mut line = format!("curl -sS {}", quoted(url));
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        line.push_str(" -H 'content-type: application/json'");
    }
    let headers = headers.iter().map(|(name, value)| quoted(&format!("{name}: {value}")));
    for header in headers.chain(proof.iter().cloned()) {
        // Writing into a String does not fail.
        let _ = write!(line, " -H {header}");
    }
    // As it is: `--data` would take its line breaks away.
    let _ = write!(line, " --data-binary {body}");
    line
}

/// An event that ends a session by itself, as simulated sessions of the provider have them, with its headers.
fn end_of_a_session(
    contract: &Contract,
    source: &SourceConfig,
    now: Timestamp,
) -> Result<(Vec<(String, String)>, String), Failure> {
    let (seconds, nanos) = now.unix();
    let mut last = None;
    for more in 0..WORLDS {
        // Another session each time it is started.
        let seed = (seconds as u64).wrapping_mul(1_000_000_000).wrapping_add(u64::from(nanos)).wrapping_add(more);
        let start = seconds * 1_000_000;
        let world = World::new(contract, Settings { seed, sessions: 1, start, ..Settings::default() })?;
        let origin = Origin { source: source.name.clone(), signing: None };
        for arrival in Script::new(&world, &Faults::none(), seed, origin).arrivals {
            let Ok(body) = String::from_utf8(arrival.body) else { continue };
            let is_end = ends_alone(contract, &arrival.headers, &body);
            last = Some((arrival.headers, body));
            if is_end {
                return Ok(last.unwrap_or_default());
            }
        }
    }
    // No single event ends a session of this provider: any will do to begin with.
    last.ok_or_else(|| Failure(format!("nothing is known of what {} sends", contract.provider())))
}

fn ends_alone(contract: &Contract, headers: &[(String, String)], body: &str) -> bool {
    let headers = contract.kept_headers(headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let delivery = Delivery { headers, body: body.as_bytes().into() };
    let mut reader = Reader::new();
    let Ok(event) = reader.read_delivery(contract, body, &delivery.headers) else { return false };
    // Others wait as long as the contract says.
    if event.subject != SubjectId::MAIN {
        return false;
    }
    let mut session = Partial::default();
    session.add(contract, &event, None);
    let key = Key { source: "", subject: event.subject, id: event.id };
    let terms = finis::engine::Terms::new(contract);
    Record::new(key, &session, contract, &terms, Timestamp::MAX).verdict.status == Status::Complete
}

/// Prints every notice from here on, a line each.
pub(super) async fn print_notices(finis: &Finis) -> Result<(), Failure> {
    let mut notices = finis.notices(CONSUMER).await?;
    tokio::spawn(async move {
        loop {
            match notices.next().await {
                Ok(Some(placed)) => {
                    let seq = placed.seq;
                    let is_heard = say_lines(&format!("{}\n", placed.to_json())).unwrap_or(false);
                    if !is_heard || notices.ack(seq).await.is_err() {
                        return;
                    }
                }
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(%error, "notices cannot be read");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    });
    Ok(())
}
