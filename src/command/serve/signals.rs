//! What the system says: to stop, or to read the file again.

use finis::serve::Reload;

use super::super::Failure;

/// Signals, from when this is made.
#[cfg(unix)]
pub(super) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    pub(super) fn listen() -> Result<Signals, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let cannot = |error| Failure(format!("cannot wait for signals: {error}"));
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt()).map_err(cannot)?,
            terminate: signal(SignalKind::terminate()).map_err(cannot)?,
            hangup: signal(SignalKind::hangup()).map_err(cannot)?,
        })
    }

    /// Reloads whenever it is told, until it is to stop.
    pub(super) async fn stop(mut self, reload: Reload) {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => break,
                _ = self.terminate.recv() => break,
                // What comes of it is logged.
                _ = self.hangup.recv() => drop(reload.again().await),
            }
        }
        tracing::info!("stopping: what is in flight is kept and answered");
        tokio::spawn(async move {
            // Whoever insists does not want to wait. Nothing that was answered is lost by that.
            tokio::select! {
                _ = self.interrupt.recv() => {}
                _ = self.terminate.recv() => {}
            }
            std::process::exit(130);
        });
    }
}

/// Signals, from when this is made.
#[cfg(not(unix))]
pub(super) struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub(super) fn listen() -> Result<Signals, Failure> {
        Ok(Signals)
    }

    pub(super) async fn stop(self, _: Reload) {
        // Who cannot be told to stop runs until he is killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        tracing::info!("stopping: what is in flight is kept and answered");
    }
}
