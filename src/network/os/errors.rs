//! What the system's error numbers ask for.

use std::io::{self, ErrorKind};

use crate::network::{AcceptError, ConnectError, Progress, Transfer};

/// Makes a system call until it was not interrupted, and turns "it would have to wait" into a
/// value.
#[inline]
pub(super) fn progress<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<Progress<T>> {
    loop {
        match call() {
            Ok(value) => return Ok(Progress::Done(value)),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock => return Ok(Progress::Blocked),
                ErrorKind::Interrupted => {}
                _ => return Err(error),
            },
        }
    }
}

/// As [`progress`], of a call that moves bytes of `stream`, if that is there.
#[inline(always)]
pub(super) fn transfer<S: Copy>(
    stream: Option<S>,
    mut call: impl FnMut(S) -> io::Result<usize>,
) -> Transfer {
    let Some(stream) = stream else { return missing() };
    loop {
        match call(stream) {
            Ok(len) => return Transfer::Done(len),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return failed(error),
        }
    }
}

#[cold]
fn missing() -> Transfer {
    Transfer::Failed(not_found())
}

#[cold]
fn failed(error: io::Error) -> Transfer {
    match error.kind() {
        ErrorKind::WouldBlock => Transfer::Blocked,
        _ => Transfer::Failed(error),
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

/// Says that a connection is on its way. The standard library has no stable name for it.
#[cfg(target_os = "linux")]
const IN_PROGRESS: i32 = nix::errno::Errno::EINPROGRESS as i32;
#[cfg(target_os = "android")]
const IN_PROGRESS: i32 = 115;
#[cfg(any(target_os = "solaris", target_os = "illumos"))]
const IN_PROGRESS: i32 = 150;
/// The BSDs' number, macOS included.
#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_os = "solaris",
    target_os = "illumos"
)))]
const IN_PROGRESS: i32 = 36;

/// Whether this error of `connect` says that an event will tell the outcome. An interrupted call is
/// not made again: what it has begun goes on.
pub(super) fn is_in_progress(error: &io::Error) -> bool {
    error.raw_os_error() == Some(IN_PROGRESS) || error.kind() == ErrorKind::Interrupted
}

/// Sorts an error of connecting, at once or later.
#[cfg(target_os = "linux")]
pub(super) fn connect_error(error: io::Error) -> ConnectError {
    use nix::errno::Errno;
    match Errno::from_raw(error.raw_os_error().unwrap_or_default()) {
        Errno::ECONNREFUSED => ConnectError::Refused(error),
        Errno::EHOSTDOWN
        | Errno::EHOSTUNREACH
        | Errno::ENETDOWN
        | Errno::ENETUNREACH
        | Errno::ENONET => ConnectError::Unreachable(error),
        Errno::ETIMEDOUT => ConnectError::TimedOut(error),
        // EADDRNOTAVAIL: all ports to connect from are taken. (Or, to an IPv6 address, that this
        // host has no IPv6, which cannot be told from it.) ENOSPC: too much is watched.
        Errno::EADDRNOTAVAIL
        | Errno::EAGAIN
        | Errno::EMFILE
        | Errno::ENFILE
        | Errno::ENOBUFS
        | Errno::ENOMEM
        | Errno::ENOSPC => ConnectError::NoResources(error),
        _ => ConnectError::Other(error),
    }
}

/// Sorts an error of connecting, at once or later.
#[cfg(not(target_os = "linux"))]
pub(super) fn connect_error(error: io::Error) -> ConnectError {
    // The same numbers on every Unix, for which the standard library has no kinds.
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    match error.kind() {
        ErrorKind::ConnectionRefused => ConnectError::Refused(error),
        ErrorKind::HostUnreachable | ErrorKind::NetworkDown | ErrorKind::NetworkUnreachable => {
            ConnectError::Unreachable(error)
        }
        ErrorKind::TimedOut => ConnectError::TimedOut(error),
        ErrorKind::AddrNotAvailable | ErrorKind::OutOfMemory | ErrorKind::WouldBlock => {
            ConnectError::NoResources(error)
        }
        _ if matches!(error.raw_os_error(), Some(ENFILE | EMFILE)) => {
            ConnectError::NoResources(error)
        }
        _ => ConnectError::Other(error),
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
    fn an_error_of_connecting_is_sorted_by_whose_matter_it_is() {
        let sorted = |errno: Errno| connect_error(errno.into());
        assert!(matches!(sorted(Errno::ECONNREFUSED), ConnectError::Refused(_)));
        assert!(matches!(sorted(Errno::ETIMEDOUT), ConnectError::TimedOut(_)));
        for errno in [
            Errno::EHOSTDOWN,
            Errno::EHOSTUNREACH,
            Errno::ENETDOWN,
            Errno::ENETUNREACH,
            Errno::ENONET,
        ] {
            assert!(matches!(sorted(errno), ConnectError::Unreachable(_)), "{errno}");
        }
        for errno in [
            Errno::EADDRNOTAVAIL,
            Errno::EAGAIN,
            Errno::EMFILE,
            Errno::ENFILE,
            Errno::ENOBUFS,
            Errno::ENOMEM,
            Errno::ENOSPC,
        ] {
            assert!(matches!(sorted(errno), ConnectError::NoResources(_)), "{errno}");
        }
        for errno in [Errno::ECONNRESET, Errno::EACCES, Errno::EAFNOSUPPORT, Errno::UnknownErrno] {
            assert!(matches!(sorted(errno), ConnectError::Other(_)), "{errno}");
        }
        assert!(matches!(connect_error(not_found()), ConnectError::Other(_)));
    }

    #[test]
    fn a_connection_on_its_way_is_no_error() {
        assert!(is_in_progress(&Errno::EINPROGRESS.into()));
        assert!(is_in_progress(&Errno::EINTR.into()));
        assert!(!is_in_progress(&Errno::ECONNREFUSED.into()));
        assert!(!is_in_progress(&Errno::EAGAIN.into()), "something has run out");
    }

    #[test]
    fn an_interrupted_call_is_made_again() {
        let mut answers = vec![Ok(7), Err(ErrorKind::Interrupted.into()), Err(Errno::EINTR.into())];
        let answer = progress(|| answers.pop().expect("no more calls than answers"));
        assert_eq!(answer.unwrap(), Progress::Done(7));
        assert_eq!(answers.len(), 0);
        // And so are reads and writes.
        let mut answers = vec![Ok(7), Err(ErrorKind::Interrupted.into()), Err(Errno::EINTR.into())];
        let answer = transfer(Some(()), |()| answers.pop().expect("no more calls than answers"));
        assert_eq!(answer.progress().unwrap(), Progress::Done(7));
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
