//! Load over loopback: how many deliveries a second, and how long an answer takes.
//!
//! ```sh
//! cargo build --release
//! cargo run --release -p finis-http --example load
//! cargo run --release -p finis-http --example load -- flat --seconds 600
//! cargo run --release -p finis-http --example load -- overload
//! ```
//!
//! The receiver is the binary itself, `finis serve`, with the store in a folder on a disk. Beside it, in the same run
//! and in turn, is one that only reads the body and answers 200: what `axum::serve` gives with nothing behind it. Each
//! is measured at full load (every connection sends its next delivery when the last is answered) and then at
//! half of what that gave, sent by a clock: an answer that is late counts from when its delivery was to be sent.

mod client; // connections that send
mod deliveries; // what they send
mod figures; // what comes of it
mod receiver; // the process that receives

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use client::{Load, Pace};
use figures::Figures;
use receiver::{Kind, Receiver};

/// What a run is told.
#[derive(Clone)]
struct Options {
    connections: usize,
    seconds: u64,
    rounds: usize,
    folder: PathBuf,
    /// The binary.
    finis: PathBuf,
}

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == receiver::COMMAND) {
        return outcome(receiver::bare());
    }
    let work = match arguments.first().map(String::as_str) {
        Some("flat" | "overload") => arguments.remove(0),
        _ => "compare".to_owned(),
    };
    let options = match options(&arguments) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}");
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.expect("a runtime needs some threads, and what is measured here needs them too");
    outcome(runtime.block_on(async {
        match work.as_str() {
            "flat" => flat(&options).await,
            "overload" => overload(&options).await,
            _ => compare(&options).await,
        }
    }))
}

fn outcome(outcome: std::io::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn options(arguments: &[String]) -> Result<Options, String> {
    // Beside this one, as cargo puts them.
    let finis = std::env::current_exe().ok().and_then(|this| Some(this.parent()?.parent()?.join("finis")));
    let finis = finis.unwrap_or_else(|| PathBuf::from("finis"));
    let mut options = Options { connections: 128, seconds: 10, rounds: 3, folder: std::env::temp_dir(), finis };
    let mut arguments = arguments.iter();
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("`{name}` needs a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("`{name}` is a number, not `{value}`"));
        match name.as_str() {
            "--connections" => options.connections = number()?.clamp(1, 4000) as usize,
            "--seconds" => options.seconds = number()?.max(1),
            "--rounds" => options.rounds = number()?.max(1) as usize,
            "--dir" => options.folder = PathBuf::from(value),
            "--finis" => options.finis = PathBuf::from(value),
            _ => {
                return Err(format!(
                    "`{name}` is not known: [flat|overload] [--connections N] [--seconds N] [--rounds N] [--dir DIR] [--finis FILE]"
                ));
            }
        }
    }
    if !options.finis.is_file() {
        return Err(format!("{} is not there: `cargo build --release` makes it", options.finis.display()));
    }
    Ok(options)
}

/// Both receivers, in turn, at full and at half load.
async fn compare(options: &Options) -> std::io::Result<()> {
    println!("{:<7} {:<5} {}", "", "load", Figures::HEAD);
    let (mut bare, mut finis) = (Vec::new(), Vec::new());
    let mut first = 0;
    for _ in 0..options.rounds {
        for (kind, all) in [(Kind::Bare, &mut bare), (Kind::Finis(&options.finis, None), &mut finis)] {
            let receiver = Receiver::start(kind, &options.folder)?;
            let load = |pace, seconds, first| Load {
                pace,
                seconds,
                first,
                ..Load::new(receiver.address, options.connections)
            };
            // Files grow and connections are made before anything is measured.
            client::run(load(Pace::AsAnswered, 1, first)).await?;
            let before = receiver.usage();
            let full = client::run(load(Pace::AsAnswered, options.seconds, first + 1)).await?.figures();
            println!("{:<7} {:<5} {}", kind.name(), "full", full.line(&before, &receiver.usage()));
            let before = receiver.usage();
            let half = load(Pace::EverySecond(full.rate() / 2.0), options.seconds, first + 2);
            let half = client::run(half).await?.figures();
            println!("{:<7} {:<5} {}", kind.name(), "half", half.line(&before, &receiver.usage()));
            receiver.stop()?;
            all.push(full.rate());
            first += 3;
        }
    }
    let (bare, finis) = (figures::median(&mut bare), figures::median(&mut finis));
    println!("medians at full load: bare {bare:.0}, finis {finis:.0} deliveries a second: {:.2}", finis / bare);
    Ok(())
}

/// Half load for a long time: memory must not grow.
async fn flat(options: &Options) -> std::io::Result<()> {
    let receiver = Receiver::start(Kind::Finis(&options.finis, None), &options.folder)?;
    let load = |pace, seconds, first| Load { pace, seconds, first, ..Load::new(receiver.address, options.connections) };
    let full = client::run(load(Pace::AsAnswered, 3, 0)).await?.figures();
    println!("full load: {:.0} deliveries a second; half of it from here on", full.rate());
    println!("{:>8} {}", "seconds", Figures::HEAD);
    let stretch = (options.seconds / 20).max(1);
    for part in 1..=options.seconds / stretch {
        let before = receiver.usage();
        let figures = client::run(load(Pace::EverySecond(full.rate() / 2.0), stretch, part as u32)).await?.figures();
        println!("{:>8} {}", part * stretch, figures.line(&before, &receiver.usage()));
    }
    receiver.stop()
}

/// Four times as much as it takes at a time: what is turned away is told so, what is acknowledged is there, and
/// afterwards all is as before.
async fn overload(options: &Options) -> std::io::Result<()> {
    let queue = options.connections;
    let receiver = Receiver::start(Kind::Finis(&options.finis, Some(queue / 4)), &options.folder)?;
    let load = |connections, seconds, first| Load { seconds, first, ..Load::new(receiver.address, connections) };
    println!("{:<9} {}", "", Figures::HEAD);
    let mut acknowledged = Vec::new();
    for (name, connections, first) in [("before", queue / 8, 0), ("overload", queue, 1), ("after", queue / 8, 2)] {
        let before = receiver.usage();
        let mut sent = client::run(load(connections.max(1), options.seconds, first)).await?;
        acknowledged.append(&mut sent.acknowledged);
        println!("{name:<9} {}", sent.figures().line(&before, &receiver.usage()));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // Killed, not stopped: what was acknowledged has to be there all the same.
    let folder = receiver.kill()?;
    let lost = receiver::lost(folder.path(), &acknowledged).await?;
    println!("{} deliveries acknowledged, {lost} of them lost", acknowledged.len());
    if lost > 0 { Err(std::io::Error::other("acknowledged deliveries were lost")) } else { Ok(()) }
}
