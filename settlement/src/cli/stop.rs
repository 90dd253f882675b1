//! Being asked to stop, by SIGTERM or SIGINT.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::Context as _;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

/// What a shell says of a process that a SIGTERM ended.
const EXIT_CODE_AT_ONCE: i32 = 143;

/// Hears the first signal and remembers it. The second one ends the process at once, which harms nothing: each step of a night
/// is whole or is made anew.
#[derive(Debug)]
pub(super) struct Stop {
    signals: Receiver<i32>,
    asked: Cell<bool>,
}

impl Stop {
    pub(super) fn listen() -> anyhow::Result<Self> {
        let heard = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT] {
            // In this order, so that the first signal only sets what the second one looks at.
            flag::register_conditional_shutdown(signal, EXIT_CODE_AT_ONCE, Arc::clone(&heard))?;
            flag::register(signal, Arc::clone(&heard))?;
        }
        let mut heard = Signals::new([SIGTERM, SIGINT])?;
        let (sender, signals) = channel();
        let listener = std::thread::Builder::new().name("signals".into());
        let listen = move || {
            for signal in heard.forever() {
                if sender.send(signal).is_err() {
                    break;
                }
            }
        };
        listener.spawn(listen).context("cannot listen for signals")?;
        Ok(Self { signals, asked: Cell::new(false) })
    }

    /// Whether it was asked.
    pub(super) fn is_asked(&self) -> bool {
        self.asked_within(Duration::ZERO)
    }

    /// Waits for `duration`, or until it is asked; whether it was.
    pub(super) fn asked_within(&self, duration: Duration) -> bool {
        if !self.asked.get() {
            let waited = self.signals.recv_timeout(duration);
            self.asked.set(!matches!(waited, Err(RecvTimeoutError::Timeout)));
        }
        self.asked.get()
    }
}
