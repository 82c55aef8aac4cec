//! finis in an axum application of your own: webhooks are received beside its routes, and the application hears of
//! each session once.
//!
//! ```sh
//! WEBHOOK_SECRET=s3cret cargo run --example embed_axum -- /tmp/a-store 127.0.0.1:8080
//! ```

use std::error::Error;
use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use finis::engine::{Placed, Policy};
use finis::live::{Finis, Secret, SourceSetup};
use finis::serve::{listen, receive};
use tokio::net::TcpListener;
use tokio::sync::Mutex;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let usage = "embed_axum FOLDER ADDRESS, with WEBHOOK_SECRET in the environment";
    let mut arguments = std::env::args().skip(1);
    let (folder, address) = arguments.next().zip(arguments.next()).ok_or(usage)?;
    let secret = std::env::var("WEBHOOK_SECRET").map_err(|_| usage)?;
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}/webhooks/hooks/pathors", listener.local_addr()?);
    let interrupted = async { drop(tokio::signal::ctrl_c().await) };
    run(&folder, &secret, listener, interrupted).await
}

/// The application, until `stop` is ready.
pub async fn run(
    folder: &str,
    secret: &str,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) -> Result<(), Box<dyn Error>> {
    let source = SourceSetup::new("pathors", "pathors").header("x-webhook-secret").secret(Secret::new(secret));
    let finis = Finis::open(folder, [source]).await?;

    // Whatever of the application has to know how a session ended.
    let ended = Ended::default();
    let handed_over = {
        let ended = Arc::clone(&ended);
        // Once it returns `Ok` the notice is dealt with; else it comes again, with the same id.
        let note = move |placed: Placed| {
            let ended = Arc::clone(&ended);
            async move {
                ended.lock().await.push(format!("{} {}", placed.notice.kind.as_str(), placed.notice.key.id()));
                Ok::<(), std::convert::Infallible>(())
            }
        };
        finis.deliver("application", Policy::default(), note).await?
    };

    let hooks = receive::router(finis.engine().clone(), receive::Settings::default());
    let application = Router::new().route("/ended", get(list)).with_state(ended).nest("/webhooks", hooks);
    // `axum::serve` has no defence against slow clients; this has.
    listen::serve(listener, application, listen::Limits::default(), stop).await?;

    handed_over.stop().await?;
    finis.close().await?;
    Ok(())
}

type Ended = Arc<Mutex<Vec<String>>>;

/// A route of the application's own.
async fn list(State(ended): State<Ended>) -> String {
    ended.lock().await.join("\n")
}
