//! The wish of the operating system that the process ends: SIGTERM and SIGINT.
//!
//! Law: nothing here ends the process. The first signal starts an orderly end, what a second one
//! does is the program's decision.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Both signals, caught from the moment of [`Signals::install`].
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes over SIGTERM and SIGINT; needs a running tokio runtime with I/O.
    ///
    /// # Errors
    ///
    /// If the operating system refuses the handlers.
    pub fn install() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next signal and returns its name. Cancel-safe.
    pub async fn recv(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    /// Cancels `token` at the next signal; returns at once if somebody else cancels it.
    pub async fn cancel(&mut self, token: &CancellationToken) {
        tokio::select! {
            name = self.recv() => {
                tracing::info!(signal = name, "shutting down");
                token.cancel();
            }
            () = token.cancelled() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[tokio::test]
    async fn sigterm_cancels_the_token() {
        let mut signals = Signals::install().unwrap();
        let token = CancellationToken::new();
        let own = std::process::id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &own])
                .status()
                .unwrap()
                .success()
        );
        signals.cancel(&token).await;
        assert!(token.is_cancelled());
    }

    #[tokio::test]
    async fn a_token_cancelled_elsewhere_ends_the_wait() {
        let token = CancellationToken::new();
        token.cancel();
        Signals::install().unwrap().cancel(&token).await;
    }
}
