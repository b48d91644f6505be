//! Signals as events: a pipe into which each signal writes a byte.
//!
//! A flag alone would not do: a signal that comes between the look at the flag and the sleep would
//! be noticed only when something else happens. The byte also wakes the poll, whenever it begins.

use std::io::{self, ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use mio::{Interest, Registry};
use signal_hook::SigId;
use signal_hook::{consts::FORBIDDEN, flag, low_level};

/// After this many signals were taken, the next one does again what it does by default. The first
/// asks a server to drain and the second to stop now; a third is sent to one that hangs.
pub(super) const SIGNALS_HEEDED: usize = 2;

/// What a signal does is a property of the process, so this cannot belong to one network: of two
/// that watch a signal, one after the other or at once, the one that ends must neither leave the
/// signal without effect for good nor let it kill the process under the other.
struct Disposition {
    /// How many networks watch the signal.
    watchers: AtomicUsize,
    /// Whether the signal does what it does by default. Only ever set outside of a signal handler.
    is_default: AtomicBool,
    /// Whether the action that looks at `is_default` was registered, which is for good.
    is_hooked: AtomicBool,
}

/// By number. The numbers of all signals that have names are below.
static DISPOSITIONS: [Disposition; 32] = [const {
    Disposition {
        watchers: AtomicUsize::new(0),
        is_default: AtomicBool::new(false),
        is_hooked: AtomicBool::new(false),
    }
}; 32];

/// The signals that one network watches.
#[derive(Debug)]
pub(super) struct Signals {
    reader: mio::net::UnixStream,
    /// Each signal has a copy of it. It waits for nothing, whatever its mode.
    writer: UnixStream,
    watched: Vec<(i32, SigId)>,
    taken: usize,
}

impl Signals {
    /// No signals yet, and the pipe for them, registered as `token`.
    pub(super) fn new(registry: &Registry, token: mio::Token) -> io::Result<Self> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        let mut reader = mio::net::UnixStream::from_std(reader);
        registry.register(&mut reader, token, Interest::READABLE)?;
        Ok(Self { reader, writer, watched: Vec::new(), taken: 0 })
    }

    /// Watches one more signal.
    pub(super) fn watch(&mut self, signal: i32) -> io::Result<()> {
        if self.watched.iter().any(|(watched, _)| *watched == signal) {
            return Ok(());
        }
        if FORBIDDEN.contains(&signal) || low_level::signal_name(signal).is_none() {
            return Err(ErrorKind::InvalidInput.into());
        }
        let disposition = disposition(signal).ok_or(ErrorKind::InvalidInput)?;
        let writer = self.writer.try_clone()?;
        // First the byte: from here on the signal is caught, and none is lost before it is watched.
        let id = held_back(signal, || low_level::pipe::register(signal, writer))??;
        disposition.watchers.fetch_add(1, Ordering::SeqCst);
        self.watched.push((signal, id));
        disposition.is_default.store(false, Ordering::SeqCst);
        if !disposition.is_hooked.swap(true, Ordering::SeqCst) {
            flag::register_conditional_default(signal, &disposition.is_default)
                .inspect_err(|_| disposition.is_hooked.store(false, Ordering::SeqCst))?;
        }
        Ok(())
    }

    /// How many signals have come since the last call. Where so many came that the pipe was full,
    /// not each of them is counted: hundreds are.
    pub(super) fn take(&mut self) -> usize {
        let mut bytes = [0; 64];
        let mut count = 0;
        loop {
            match self.reader.read(&mut bytes) {
                Ok(0) => break,
                Ok(len) => count += len,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        self.taken = self.taken.saturating_add(count);
        if self.taken >= SIGNALS_HEEDED && count > 0 {
            for disposition in self.watched.iter().filter_map(|(signal, _)| disposition(*signal)) {
                disposition.is_default.store(true, Ordering::SeqCst);
            }
        }
        count
    }
}

impl Drop for Signals {
    /// The signals do again what they do by default, unless somebody else watches them too. Without
    /// this they would do nothing at all, since the handler cannot be taken out.
    fn drop(&mut self) {
        for (signal, id) in self.watched.drain(..) {
            low_level::unregister(id);
            let Some(disposition) = disposition(signal) else { continue };
            if disposition.watchers.fetch_sub(1, Ordering::SeqCst) == 1 {
                disposition.is_default.store(true, Ordering::SeqCst);
                // Somebody may have begun to watch meanwhile, in another thread.
                if disposition.watchers.load(Ordering::SeqCst) > 0 {
                    disposition.is_default.store(false, Ordering::SeqCst);
                }
            }
        }
    }
}

/// Calls with the signal held back, as far as this thread is concerned: signal-hook's handler is in
/// place before it knows what to do, and a signal between the two would do nothing at all.
#[cfg(target_os = "linux")]
fn held_back<T>(signal: i32, call: impl FnOnce() -> T) -> io::Result<T> {
    use nix::sys::signal::{SigSet, SigmaskHow, Signal};

    // One without a name is a real-time signal, which nix cannot hold back.
    let Ok(signal) = Signal::try_from(signal) else { return Ok(call()) };
    let mut held = SigSet::empty();
    held.add(signal);
    let before = held.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let result = call();
    before.thread_set_mask()?;
    Ok(result)
}

/// Elsewhere a signal can come in between.
#[cfg(not(target_os = "linux"))]
fn held_back<T>(_signal: i32, call: impl FnOnce() -> T) -> io::Result<T> {
    Ok(call())
}

fn disposition(signal: i32) -> Option<&'static Disposition> {
    DISPOSITIONS.get(usize::try_from(signal).ok()?)
}
