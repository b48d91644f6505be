//! The examples' log: lines for standard error, which may be slow, full or closed.
//!
//! A server must not wait for whoever reads its log, nor end because nobody does any more. So a
//! line is written only if there is room for it. Otherwise it is dropped, and the next one that
//! gets through is preceded by how many were. A thread could wait in the server's place, but with a
//! second thread in the process each system call of the first costs more.

use std::io::{self, Write};
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use env_logger::{Builder, Env, Target};

/// A pipe that has room has room for this much (`PIPE_BUF` of Linux), and takes it whole.
const MAX_LINE_LEN: usize = 4096;
/// How long the end of the program waits for room.
const PATIENCE_MS: u16 = 1000;

/// Takes lines, each in one call, without ever waiting or failing.
#[derive(Clone, Default)]
pub(crate) struct StderrLog {
    /// How many lines found no room since the last one that did.
    dropped: Arc<AtomicU64>,
}

impl StderrLog {
    /// From here on, what is logged goes this way. `RUST_LOG` says how much; without it, `info` and
    /// above.
    pub(crate) fn start(&self) {
        // A `RUST_LOG` that makes no sense is reported by `eprintln!`, which panics if standard
        // error is closed. Then the default has to do.
        let from_env = || Builder::from_env(Env::new().default_filter_or("info"));
        let mut builder = panic::catch_unwind(from_env).unwrap_or_else(|_| {
            let mut builder = Builder::new();
            builder.filter_level(log::LevelFilter::Info);
            builder
        });
        // It fails if there is a logger already, which then is as good.
        let _ = builder.target(Target::Pipe(Box::new(self.clone()))).try_init();
    }

    /// Writes what is left to be said, which alone may wait for a moment.
    pub(crate) fn finish(&self, last_words: &str) {
        if !last_words.is_empty() || self.dropped.load(Ordering::Relaxed) > 0 {
            self.put(last_words.as_bytes(), PATIENCE_MS);
        }
    }

    fn put(&self, line: &[u8], patience_ms: u16) {
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        let mut text = match dropped {
            0 => Vec::new(),
            count => format!("[{count} lines of the log were dropped]\n").into_bytes(),
        };
        text.extend_from_slice(line);
        if text.len() > MAX_LINE_LEN {
            text.truncate(MAX_LINE_LEN - 1);
            text.push(b'\n');
        }
        let is_written = has_room(patience_ms)
            && io::stderr().write(&text).is_ok_and(|written| written == text.len());
        if !is_written {
            self.dropped.fetch_add(dropped + 1, Ordering::Relaxed);
        }
    }
}

impl Write for StderrLog {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.put(line, 0);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether standard error takes a line without delay, now or within so many milliseconds.
#[cfg(target_os = "linux")]
fn has_room(patience_ms: u16) -> bool {
    use nix::poll::{PollFd, PollFlags, poll};
    use std::os::fd::AsFd;

    let stderr = io::stderr();
    // A broken pipe is an answer too: the write then fails, and does not wait.
    poll(&mut [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)], patience_ms)
        .is_ok_and(|ready| ready > 0)
}

/// Elsewhere nobody is asked, and the line may have to wait.
#[cfg(not(target_os = "linux"))]
const fn has_room(_patience_ms: u16) -> bool {
    true
}
