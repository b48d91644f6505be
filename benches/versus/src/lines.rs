//! The lines that a child says, awaited only for so long.

use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::trouble::{Trouble, Trying as _};

/// A child's output, line by line.
pub(crate) struct Lines<R> {
    source: R,
    pending: Vec<u8>,
}

impl<R: Read + AsFd> Lines<R> {
    pub(crate) fn new(source: R) -> Self {
        Self { source, pending: Vec::new() }
    }

    /// The next line without its end; none if there is no more.
    ///
    /// # Errors
    /// If none comes in time.
    pub(crate) fn next(&mut self, patience: Duration) -> Result<Option<String>, Trouble> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(end) = self.pending.iter().position(|&byte| byte == b'\n') {
                let line = String::from_utf8_lossy(&self.pending[..end]).trim_end().to_owned();
                self.pending.drain(..=end);
                return Ok(Some(line));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            let mut sources = [PollFd::new(self.source.as_fd(), PollFlags::POLLIN)];
            if poll(&mut sources, timeout).trying("cannot wait for a child")? == 0 {
                return Err(Trouble::new(format!("it said nothing for {} s", patience.as_secs())));
            }
            let mut bytes = [0; 4_096];
            match self.source.read(&mut bytes) {
                Ok(0) => return Ok(None),
                Ok(len) => self.pending.extend_from_slice(&bytes[..len]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).trying("cannot read what a child says"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn lines_come_one_by_one_and_then_none() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let mut lines = Lines::new(reader);
        writer.write_all(b"one\r\ntw").unwrap();
        assert_eq!(lines.next(LONG), Ok(Some("one".to_owned())));
        writer.write_all(b"o\n\nrest").unwrap();
        assert_eq!(lines.next(LONG), Ok(Some("two".to_owned())));
        assert_eq!(lines.next(LONG), Ok(Some(String::new())));
        drop(writer);
        assert_eq!(lines.next(LONG), Ok(None));
    }

    #[test]
    fn a_child_that_says_nothing_is_not_awaited_forever() {
        let (reader, _writer) = std::io::pipe().unwrap();
        let trouble = Lines::new(reader).next(Duration::ZERO).unwrap_err();
        assert_eq!(trouble.to_string(), "it said nothing for 0 s");
    }
}
