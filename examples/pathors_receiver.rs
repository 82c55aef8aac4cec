//! A receiver of Pathors' webhooks, by what has come of a session and not by which webhook came.
//!
//! A receiver that branches on the `event` of each payload does its work again when one is delivered again, never
//! when one is lost, and in whatever order they come. Here each branch is taken once for each session, with all
//! that is known of it, and what never came is told, too.
//!
//! ```sh
//! WEBHOOK_SECRET=s3cret cargo run --example pathors_receiver -- /tmp/a-store 127.0.0.1:8080
//! ```

use std::error::Error;
use std::future::Future;

use finis::engine::live::NoticeKind;
use finis::engine::{Placed, Policy};
use finis::live::{Finis, Secret, SourceSetup};
use finis::serve::{listen, receive};
use serde_json::Value;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let usage = "pathors_receiver FOLDER ADDRESS, with WEBHOOK_SECRET in the environment";
    let mut arguments = std::env::args().skip(1);
    let (folder, address) = arguments.next().zip(arguments.next()).ok_or(usage)?;
    let secret = std::env::var("WEBHOOK_SECRET").map_err(|_| usage)?;
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}/hooks/pathors-webhook", listener.local_addr()?);
    let interrupted = async { drop(tokio::signal::ctrl_c().await) };
    run(&folder, &secret, listener, interrupted, |line| println!("{line}")).await
}

/// The receiver, until `stop` is ready. What it does is told to `work`, a line each.
pub async fn run(
    folder: &str,
    secret: &str,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
    work: impl Fn(String) + Clone + Send + Sync + 'static,
) -> Result<(), Box<dyn Error>> {
    let source = SourceSetup::new("pathors-webhook", "pathors").header("x-webhook-secret").secret(Secret::new(secret));
    let finis = Finis::open(folder, [source]).await?;
    let handler = move |placed: Placed| {
        let work = work.clone();
        async move { on_notice(&placed, work) }
    };
    let handed_over = finis.deliver("receiver", Policy::default(), handler).await?;
    let router = receive::router(finis.engine().clone(), receive::Settings::default());
    listen::serve(listener, router, listen::Limits::default(), stop).await?;
    handed_over.stop().await?;
    finis.close().await?;
    Ok(())
}

/// What is to be done. When it fails, the notice comes again with the same id: keep that with the effect, and the
/// effect is there once.
fn on_notice(placed: &Placed, work: impl Fn(String)) -> Result<(), serde_json::Error> {
    let record: Value = serde_json::from_str(&placed.notice.record)?;
    let fields = &record["fields"];
    let session = placed.notice.key.id();
    match placed.notice.kind {
        NoticeKind::Complete if record["channel"] == "call" => {
            work(format!("call {session}: {}, {} s", fields["call_status"], fields["call_duration_s"]));
        }
        NoticeKind::Complete => work(format!("text {session}: {} messages", fields["messages_count"])),
        // Something came after the end, and changed what was said.
        NoticeKind::Amended => {
            let changed: Vec<&str> = placed.notice.changes.iter().map(|change| change.part.as_str()).collect();
            work(format!("changed {session}: {}", changed.join(", ")));
        }
        // Its address dies soon: fetch it now.
        NoticeKind::Asset => work(format!("recording {session}")),
        // The end never came: no webhook will ever tell.
        NoticeKind::Stalled => work(format!("lost {session}: without {}", record["missing"])),
        // It was erased before it was told.
        NoticeKind::Forgotten => work(format!("forgotten {session}")),
    }
    Ok(())
}
