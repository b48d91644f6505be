//! Which errors each call of a server can have, and what may come of them.

/// What must become of a server and its clients when a call fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    /// All are served, also who was there when it happened.
    Spared,
    /// Who was there may be cut; all others are served.
    Cut,
    /// The server ends with 1, and says why in one line.
    Fatal,
}

/// The calls that a server makes while it serves, with the errors that the kernel has for them.
const SERVING: &[Errors] = &[
    ("accept4", ACCEPTING),
    ("recvfrom", &["ECONNRESET", "ETIMEDOUT", "EHOSTUNREACH", "ENOMEM", "EINTR", "EAGAIN"]),
    ("sendto", SENDING),
    ("sendmsg", SENDING),
    ("epoll_ctl", &["ENOSPC", "ENOMEM"]),
    ("epoll_wait", &["EINTR", "EBADF"]),
    // ENOTCONN is no error without the event of a reset, and strace makes none.
    ("shutdown", &["EACCES"]),
    ("setsockopt", &["ENOMEM", "ENOBUFS"]),
    ("getsockopt", &["ENOBUFS", "ENOMEM"]),
    ("getsockname", &["ENOBUFS"]),
    // Not ENOTCONN: it says that the connection is still on its way, and an event would follow.
    ("getpeername", &["ENOBUFS"]),
    ("socket", &["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"]),
    // Not EINTR: what has begun goes on then, and under strace nothing has begun.
    ("connect", &["ECONNREFUSED", "ENETUNREACH", "EADDRNOTAVAIL", "EAGAIN", "ETIMEDOUT"]),
    // To the log, to the event that wakes the loop.
    ("write", &["EAGAIN", "EINTR", "EPIPE", "ENOSPC"]),
    ("poll", &["EINTR", "ENOMEM"]),
];

const ACCEPTING: &[&str] = &[
    "EMFILE",
    "ENFILE",
    "ENOBUFS",
    "ENOMEM",
    "ECONNABORTED",
    "EPROTO",
    "EPERM",
    "ENETDOWN",
    "EHOSTUNREACH",
    "EINTR",
    "EAGAIN",
    "EINVAL",
];

const SENDING: &[&str] =
    &["EPIPE", "ECONNRESET", "ETIMEDOUT", "ENOBUFS", "ENOMEM", "EINTR", "EAGAIN"];

/// Of the calls for datagrams.
const DATAGRAMS: &[Errors] = &[
    ("recvmmsg", &["ECONNREFUSED", "ENOBUFS", "ENOMEM", "EINTR", "EAGAIN", "ENOSYS"]),
    ("sendmmsg", SENDING_DATAGRAMS),
    ("sendto", SENDING_DATAGRAMS),
    ("epoll_wait", &["EINTR"]),
];

const SENDING_DATAGRAMS: &[&str] = &[
    "ECONNREFUSED",
    "EMSGSIZE",
    "ENOBUFS",
    "EPERM",
    "EHOSTUNREACH",
    "EINVAL",
    "EIO",
    "EINTR",
    "EAGAIN",
];

/// A call, and the errors it can have.
pub(crate) type Errors = (&'static str, &'static [&'static str]);

/// All calls that serve clients of TCP, with their errors.
pub(crate) const fn of_serving() -> &'static [Errors] {
    SERVING
}

/// All calls that serve datagrams, with their errors.
pub(crate) const fn of_datagrams() -> &'static [Errors] {
    DATAGRAMS
}

/// The calls of a drain, with the errors that the kernel has for them. What is received there is
/// the signal, from a pipe that knows no other error.
const DRAINING: &[Errors] = &[
    ("epoll_wait", &["EINTR", "EBADF"]),
    ("recvfrom", &["EINTR"]),
    ("recvmmsg", &["ECONNREFUSED", "ENOMEM", "EINTR", "EAGAIN"]),
    ("accept4", ACCEPTING),
    ("setsockopt", &["ENOMEM", "EINVAL"]),
    ("write", &["EAGAIN", "EINTR", "EPIPE", "ENOSPC"]),
    ("poll", &["EINTR", "ENOMEM"]),
];

/// All calls of a drain, with their errors.
pub(crate) const fn of_draining() -> &'static [Errors] {
    DRAINING
}

/// The calls by which a server starts, with the errors that the kernel has for them, and whether
/// it can do without what they are for.
pub(crate) const STARTING: &[(Errors, bool)] = &[
    (("epoll_create1", &["EMFILE", "ENFILE", "ENOMEM"]), false),
    (("socketpair", &["EMFILE", "ENFILE", "ENOMEM"]), false),
    (("epoll_ctl", &["ENOMEM", "ENOSPC"]), false),
    (("rt_sigaction", &["EINVAL"]), false),
    (("socket", &["EACCES", "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"]), false),
    (("setsockopt", &["ENOBUFS", "ENOMEM"]), false),
    (("bind", &["EADDRINUSE", "EACCES", "EADDRNOTAVAIL", "ENOMEM"]), false),
    (("listen", &["EADDRINUSE"]), false),
    (("getsockname", &["ENOBUFS"]), false),
    (("eventfd2", &["EMFILE", "ENFILE", "ENOMEM"]), false),
    (("clone3", &["EAGAIN", "ENOMEM"]), false),
    // To look how many descriptors there are.
    (("openat", &["EMFILE", "ENFILE", "ENOENT", "EACCES"]), true),
    (("getdents64", &["ENOENT"]), true),
    (("prlimit64", &["EPERM"]), true),
    // To ask whether datagrams can be joined.
    (("getsockopt", &["ENOPROTOOPT"]), true),
    // To speak.
    (("poll", &["EINTR", "ENOMEM"]), true),
    (("write", &["EAGAIN", "EINTR", "EPIPE", "ENOSPC"]), true),
    // To ask whether it is a socket that signals are written to.
    (("sendto", &["ENOTSOCK"]), true),
];

/// Whether a call of this example can fail so at all.
pub(crate) fn is_real(example: &str, call: &str, errno: &str) -> bool {
    // What this one writes to is no log, but the counter that wakes the loop.
    !(example == "offload" && call == "write" && errno != "EAGAIN")
}

/// Whether the call can fail with this again and again. The kernel takes a peer off the queue when
/// it is gone, is not interrupted for ever, and a counter that was set back is not full.
pub(crate) fn may_last(example: &str, call: &str, errno: &str) -> bool {
    let is_gone = matches!(errno, "ECONNABORTED" | "EPROTO" | "ENETDOWN" | "EHOSTUNREACH");
    errno != "EINTR"
        && !(call == "accept4" && is_gone)
        && !(example == "offload" && call == "write")
}

/// Whether a drain cannot go on when a call fails with this. A listener that breaks then is closed
/// anyway.
pub(crate) fn ends_a_drain(call: &str, errno: &str) -> bool {
    (call, errno) == ("epoll_wait", "EBADF")
}

/// What must come of it when a call that serves fails with this.
pub(crate) fn fate(example: &str, call: &str, errno: &str) -> Fate {
    match (call, errno) {
        ("epoll_wait", "EBADF") | ("accept4", "EINVAL") => Fate::Fatal,
        // It would mean that something has run out.
        ("connect", "EAGAIN") => Fate::Cut,
        // The kernel would tell when there is room again. Without it the next event of the same
        // connection does, but an upstream that was sent nothing says nothing.
        ("sendto", "EAGAIN") if example == "proxy" => Fate::Cut,
        // Under strace nobody is taken off the queue by a call that fails.
        ("accept4" | "epoll_wait" | "write" | "poll", _) | (_, "EINTR" | "EAGAIN") => Fate::Spared,
        _ => Fate::Cut,
    }
}
