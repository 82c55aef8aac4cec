//! finis inside a receiver of webhooks: what comes is kept, and each session has its last word once.
//!
//! ```sh
//! cargo run --example embed -- /tmp/a-store
//! ```

use finis::live::{Finis, Secret, SourceSetup};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("name a folder for the store: embed FOLDER")?;
    let source = SourceSetup::new("pathors", "pathors").header("x-webhook-secret").secret(Secret::new("s3cret"));
    let finis = Finis::open(folder, [source]).await?;

    // What a provider posts, in whatever order and however often.
    let headers = [("X-Webhook-Secret", "s3cret")];
    for body in [FINALIZED, ENDED, ENDED] {
        println!("{:?}", finis.receive("pathors", &headers, body.as_bytes()).await?);
    }

    // Whoever is told: each notice comes again, with the same id, until it is acknowledged.
    let mut crm = finis.notices("crm").await?;
    while let Some(placed) = crm.try_next().await? {
        println!("{}", placed.to_json());
        crm.ack(placed.seq).await?;
    }
    finis.close().await?;
    Ok(())
}

const ENDED: &str =
    r#"{"event":"session.ended","sessionId":"2c4f9a13","timestamp":"2026-05-03T08:42:11.512Z","messagesCount":8}"#;
const FINALIZED: &str =
    r#"{"event":"session.finalized","sessionId":"2c4f9a13","timestamp":"2026-05-03T08:42:14.300Z","messagesCount":8}"#;
