//! What a connection is about: a request, and the answer to it.

use super::echo::Echo;
use super::events::Telling;
use super::files::Download;
use super::http1::{Head, Method, Persistence, Request, Size, Status, Version};

/// What is kept for each connection.
#[derive(Default)]
pub(crate) struct Exchange {
    pub(crate) doing: Doing,
    /// How much of a body has come since its time was last reckoned.
    pub(crate) fresh_len: u64,
}

/// What is done about the request that was read last.
#[derive(Default)]
pub(crate) enum Doing {
    /// It was answered, and the next can come.
    #[default]
    Waiting,
    /// It was answered, and what comes of its body matters to nobody.
    Discarding,
    /// Its body is sent back.
    Echoing(Echo),
    /// It is sent a file.
    Sending(Download),
    /// It is told events, for as long as it listens.
    Telling(Telling),
}

/// What of a request matters for the form of its answer.
#[derive(Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) version: Version,
    /// Whether only the head of the answer is sent.
    pub(crate) is_head: bool,
    /// Whether the connection is there for another request.
    pub(crate) keep_alive: bool,
    /// Whether a body is still to come.
    pub(crate) has_body: bool,
}

impl Terms {
    /// The terms for an answer that does not look at the request's body.
    pub(crate) fn of(request: &Request<'_>, is_draining: bool) -> Self {
        let has_body = request.length.has_body();
        // Whoever waits for a word before he sends the body, and gets an answer instead, may send
        // it or not (RFC 9110, section 10.1.1).
        let is_unsure = has_body && request.expects_continue;
        Self {
            version: request.version,
            is_head: request.method == Method::Head,
            keep_alive: request.keep_alive && !is_unsure && !is_draining,
            has_body,
        }
    }

    /// The terms for an answer to nobody knows what, after which nothing is understood.
    pub(crate) const fn last() -> Self {
        let version = Version::Http11;
        Self { version, is_head: false, keep_alive: false, has_body: false }
    }

    /// A head for the answer.
    pub(crate) fn head<'a>(
        self,
        status: Status,
        date: &'a [u8; 29],
        size: Size,
        fields: &'a [(&'a str, &'a str)],
    ) -> Head<'a> {
        let persistence = Persistence::of(self.version, self.keep_alive);
        Head { status, date, size, persistence, fields }
    }
}
