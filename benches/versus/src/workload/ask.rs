//! What is asked of a server that speaks a real protocol.

use super::Protocol;

/// One kind of request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ask {
    /// The page at `/`.
    Page,
    /// Whether the key-value server is there.
    Ping,
    /// To set one of [`KEYS`](Self::KEYS) keys.
    Set,
    /// For the value of one of them.
    Get,
    /// To set one and for another, in turn.
    Mixed,
    /// For records of a zone.
    Question,
}

impl Ask {
    const ALL: [Self; 6] =
        [Self::Page, Self::Ping, Self::Set, Self::Get, Self::Mixed, Self::Question];

    /// How many keys are set and asked for: more than the nearer caches hold.
    pub(crate) const KEYS: u32 = 100_000;

    /// What it is called on the load's command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Ping => "ping",
            Self::Set => "set",
            Self::Get => "get",
            Self::Mixed => "mixed",
            Self::Question => "question",
        }
    }

    /// The one of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ask| ask.name() == name)
    }

    /// In which protocol it is asked.
    pub(crate) const fn protocol(self) -> Protocol {
        match self {
            Self::Page => Protocol::Http,
            Self::Ping | Self::Set | Self::Get | Self::Mixed => Protocol::Kv,
            Self::Question => Protocol::Dns,
        }
    }

    /// Whether a server needs to keep something to answer it.
    pub(crate) fn needs_store(self) -> bool {
        matches!(self, Self::Set | Self::Get | Self::Mixed)
    }

    /// What it is, in a few words.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::Page => "GET / of HTTP/1.1",
            Self::Ping => "PING",
            Self::Set => "SET",
            Self::Get => "GET",
            Self::Mixed => "SET and GET in turn",
            Self::Question => "questions of one zone",
        }
    }
}
