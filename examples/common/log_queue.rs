//! The examples' log: lines on their way to standard error, which may be slow, full or closed.
//!
//! A server must not wait for whoever reads its log, nor end because nobody does any more. So a
//! thread of its own writes the log, from a queue with a limit: lines beyond it are dropped, and
//! counted.

use std::io::{self, Write};
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread;
use std::time::Duration;

use env_logger::{Builder, Env, Target};

/// How many lines may wait to be written: seconds of a busy log.
const ROOM: usize = 1024;
/// How long the end of the program waits for the lines that are left.
const PATIENCE: Duration = Duration::from_secs(1);

/// Takes lines without ever waiting, for a thread that writes them.
#[derive(Clone)]
pub(crate) struct LogQueue {
    entries: SyncSender<Entry>,
    /// How many lines found no room since the last one that did.
    dropped: Arc<AtomicU64>,
}

enum Entry {
    Line(Vec<u8>),
    /// Everything before this is written: say so.
    End(Sender<()>),
}

/// Sends what is logged to standard error. `RUST_LOG` says how much; without it, `info` and above.
///
/// # Errors
///
/// If there can be no thread for it.
pub(crate) fn start() -> io::Result<LogQueue> {
    let queue = LogQueue::new(io::stderr(), ROOM)?;
    // A `RUST_LOG` that makes no sense is reported by `eprintln!`, which panics if standard error
    // is closed. Then the default has to do.
    let builder = panic::catch_unwind(|| Builder::from_env(Env::new().default_filter_or("info")));
    let mut builder = builder.unwrap_or_else(|_| {
        let mut builder = Builder::new();
        builder.filter_level(log::LevelFilter::Info);
        builder
    });
    // It fails if there is a logger already, which then is as good.
    let _ = builder.target(Target::Pipe(Box::new(queue.clone()))).try_init();
    Ok(queue)
}

impl LogQueue {
    /// A queue with room for so many lines, and a thread that writes them to `output`.
    ///
    /// # Errors
    ///
    /// If there can be no such thread.
    pub(crate) fn new(output: impl Write + Send + 'static, room: usize) -> io::Result<Self> {
        let (entries, to_write) = mpsc::sync_channel(room);
        thread::Builder::new().name("log".to_owned()).spawn(|| write_all(to_write, output))?;
        Ok(Self { entries, dropped: Arc::default() })
    }

    /// Writes what is left and then `last_words`, for as long as patience lasts.
    pub(crate) fn finish(self, last_words: &str) {
        let (end, has_ended) = mpsc::channel();
        let (_, mut left) = self.take_dropped();
        left.extend_from_slice(last_words.as_bytes());
        // A thread waits in its place, since a channel knows no patience when it is full.
        let wait_for_room = move || {
            let _ = self.entries.send(Entry::Line(left));
            let _ = self.entries.send(Entry::End(end));
        };
        let _ = thread::Builder::new().spawn(wait_for_room);
        let _ = has_ended.recv_timeout(PATIENCE);
    }

    /// The count of dropped lines, and the line that tells it if there are any.
    fn take_dropped(&self) -> (u64, Vec<u8>) {
        let count = self.dropped.swap(0, Ordering::Relaxed);
        let note = format!("[{count} lines of the log were dropped]\n");
        (count, if count > 0 { note.into_bytes() } else { Vec::new() })
    }
}

/// One call writes one line, as `env_logger` does it. It never fails.
impl Write for LogQueue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let (count, mut entry) = self.take_dropped();
        entry.extend_from_slice(line);
        if self.entries.try_send(Entry::Line(entry)).is_err() {
            self.dropped.fetch_add(count + 1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write_all(entries: Receiver<Entry>, mut output: impl Write) {
    for entry in entries {
        match entry {
            // It is lost if nobody reads it any more. Those who come later may be luckier.
            Entry::Line(line) => drop(output.write_all(&line).and_then(|()| output.flush())),
            Entry::End(said) => drop(said.send(())),
        }
    }
}
