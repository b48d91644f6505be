//! What the system's error numbers ask for.

use std::io::{self, ErrorKind};

use crate::network::{AcceptError, Progress};

/// Makes a system call until it was not interrupted, and turns "it would have to wait" into a
/// value.
#[inline]
pub(super) fn progress<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<Progress<T>> {
    match call() {
        Ok(value) => Ok(Progress::Done(value)),
        Err(error) => retry(error, call),
    }
}

/// Sorts the `error` of a call, which is made again if it was interrupted.
#[cold]
pub(super) fn retry<T>(
    mut error: io::Error,
    mut call: impl FnMut() -> io::Result<T>,
) -> io::Result<Progress<T>> {
    loop {
        match error.kind() {
            ErrorKind::WouldBlock => return Ok(Progress::Blocked),
            ErrorKind::Interrupted => {}
            _ => return Err(error),
        }
        match call() {
            Ok(value) => return Ok(Progress::Done(value)),
            Err(again) => error = again,
        }
    }
}

/// The answer to a call for a socket that is not there.
#[cold]
pub(super) fn not_found() -> io::Error {
    ErrorKind::NotFound.into()
}

/// Sorts an error of `accept` by what to do about it.
///
/// Linux hands errors that wait on the new connection to `accept`, which has taken the connection
/// off the queue by then: the one behind it may be well. Whatever is not known to be of that kind,
/// nor to be for ever, is treated as something that has run out. To try again a little later is
/// never wrong: it neither spins nor ends the loop.
#[cfg(target_os = "linux")]
pub(super) fn accept_error(error: io::Error) -> AcceptError {
    use nix::errno::Errno;
    match Errno::from_raw(error.raw_os_error().unwrap_or_default()) {
        Errno::ECONNABORTED
        | Errno::ECONNRESET
        | Errno::EHOSTDOWN
        | Errno::EHOSTUNREACH
        | Errno::ENETDOWN
        | Errno::ENETUNREACH
        | Errno::ENONET
        | Errno::ENOPROTOOPT
        | Errno::EOPNOTSUPP
        | Errno::EPROTO
        | Errno::ETIMEDOUT => AcceptError::PeerGone(error),
        Errno::EBADF | Errno::EFAULT | Errno::EINVAL | Errno::ENOTSOCK => {
            AcceptError::Broken(error)
        }
        // Not only EMFILE, ENFILE, ENOBUFS and ENOMEM. EPERM and EACCES are a security policy's,
        // which is asked before a peer is taken off the queue: the next try would find the same
        // peer.
        _ => AcceptError::Exhausted(error),
    }
}

/// Sorts an error of `accept` by what to do about it.
#[cfg(not(target_os = "linux"))]
pub(super) fn accept_error(error: io::Error) -> AcceptError {
    match error.kind() {
        ErrorKind::ConnectionAborted
        | ErrorKind::ConnectionReset
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkDown
        | ErrorKind::NetworkUnreachable
        | ErrorKind::TimedOut => AcceptError::PeerGone(error),
        ErrorKind::InvalidInput => AcceptError::Broken(error),
        _ => AcceptError::Exhausted(error),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use nix::errno::Errno;

    fn classified(errno: Errno) -> AcceptError {
        accept_error(io::Error::from_raw_os_error(errno as i32))
    }

    #[test]
    fn an_error_of_a_queued_connection_means_that_the_peer_is_gone() {
        for errno in [
            Errno::ECONNABORTED,
            Errno::ECONNRESET,
            Errno::EHOSTDOWN,
            Errno::EHOSTUNREACH,
            Errno::ENETDOWN,
            Errno::ENETUNREACH,
            Errno::ENONET,
            Errno::ENOPROTOOPT,
            Errno::EOPNOTSUPP,
            Errno::EPROTO,
            Errno::ETIMEDOUT,
        ] {
            assert!(matches!(classified(errno), AcceptError::PeerGone(_)), "{errno}");
        }
    }

    #[test]
    fn what_has_run_out_asks_for_a_pause() {
        for errno in [Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS, Errno::ENOMEM] {
            assert!(matches!(classified(errno), AcceptError::Exhausted(_)), "{errno}");
        }
    }

    #[test]
    fn a_socket_that_cannot_accept_is_broken() {
        for errno in [Errno::EBADF, Errno::EFAULT, Errno::EINVAL, Errno::ENOTSOCK] {
            assert!(matches!(classified(errno), AcceptError::Broken(_)), "{errno}");
        }
    }

    #[test]
    fn an_unknown_error_neither_spins_nor_ends_the_loop() {
        for errno in [Errno::EPERM, Errno::EACCES, Errno::EIO, Errno::UnknownErrno] {
            assert!(matches!(classified(errno), AcceptError::Exhausted(_)), "{errno}");
        }
        assert!(matches!(accept_error(ErrorKind::Other.into()), AcceptError::Exhausted(_)));
    }

    #[test]
    fn an_interrupted_call_is_made_again() {
        let mut answers = vec![Ok(7), Err(ErrorKind::Interrupted.into()), Err(Errno::EINTR.into())];
        let answer = progress(|| answers.pop().expect("no more calls than answers"));
        assert_eq!(answer.unwrap(), Progress::Done(7));
        assert_eq!(answers.len(), 0);
    }

    #[test]
    fn would_block_is_a_value_and_other_errors_stay() {
        let blocked = progress::<()>(|| Err(Errno::EAGAIN.into()));
        assert_eq!(blocked.unwrap(), Progress::Blocked);
        let error = progress::<()>(|| Err(Errno::ECONNRESET.into())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
}
