//! The server's side of the opening handshake (RFC 6455, section 4.2): whether a request asks for a
//! WebSocket as it should, and what it is answered.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use super::http1::{Method, Request, Version};

/// What every server puts behind the client's key (section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The length of a key: that of 16 bytes in base64.
const KEY_LEN: usize = 24;
/// The length of what a key is answered with: that of 20 bytes in base64.
const ACCEPT_LEN: usize = 28;

/// Pages of which sites may open a socket. Whoever names no site is no browser, and may: a program
/// could name whatever it wants (section 10.2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Origins {
    /// Those of this server itself: the site is the host that the request is for.
    Same,
    /// Those of these sites, as in `https://example.org`.
    Listed(Vec<String>),
    /// All.
    Any,
}

/// Why a request does not open a socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refused {
    /// It is no GET.
    Method,
    /// It has a body, which has no meaning here, and might be taken for frames by somebody.
    Body,
    /// It does not ask for it.
    NoUpgrade,
    /// It asks for another version of the protocol.
    Version,
    /// It has no key, or several, or one that is not of 16 bytes.
    Key,
    /// It comes from a page of a site that may not.
    Origin,
}

/// What opens the socket: the value of `Sec-WebSocket-Accept`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Accept([u8; ACCEPT_LEN]);

impl Accept {
    /// The answer to a key.
    fn to(key: &[u8]) -> Self {
        let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
        let mut accept = [0; ACCEPT_LEN];
        let len = STANDARD.encode_slice(digest, &mut accept);
        assert_eq!(len, Ok(ACCEPT_LEN), "the digest has 20 bytes");
        Self(accept)
    }

    pub(crate) fn as_str(&self) -> &str {
        str::from_utf8(&self.0).expect("base64 is ASCII")
    }
}

/// Sees whether a request opens a socket.
pub(crate) fn accept(request: &Request<'_>, origins: &Origins) -> Result<Accept, Refused> {
    if request.method != Method::Get {
        return Err(Refused::Method);
    }
    if request.length.has_body() {
        return Err(Refused::Body);
    }
    let is_asked =
        has_token(request, "upgrade", b"websocket") && has_token(request, "connection", b"upgrade");
    // In a request of HTTP/1.0 these fields mean nothing (RFC 9110, section 7.8).
    if !is_asked || request.version != Version::Http11 {
        return Err(Refused::NoUpgrade);
    }
    if only(request, "sec-websocket-version") != Some(b"13") {
        return Err(Refused::Version);
    }
    let key = only(request, "sec-websocket-key").filter(|key| is_key(key));
    let key = key.ok_or(Refused::Key)?;
    if request.field("origin").is_some() {
        let (origin, host) = (only(request, "origin"), request.field("host"));
        let pair = origin.zip(host).filter(|(origin, host)| origins.allow(origin, host));
        pair.ok_or(Refused::Origin)?;
    }
    Ok(Accept::to(key))
}

/// Whether a field that is a list, and may be there more than once, has this token.
fn has_token(request: &Request<'_>, name: &str, token: &[u8]) -> bool {
    let mut tokens = request.fields(name).flat_map(|value| value.split(|byte| *byte == b','));
    tokens.any(|found| found.trim_ascii().eq_ignore_ascii_case(token))
}

/// The value of a field that is there once.
fn only<'a>(request: &Request<'a>, name: &str) -> Option<&'a [u8]> {
    let mut values = request.fields(name);
    values.next().filter(|_| values.next().is_none())
}

fn is_key(key: &[u8]) -> bool {
    // The decoder wants room for three bytes of every four.
    key.len() == KEY_LEN && STANDARD.decode_slice(key, &mut [0; KEY_LEN]) == Ok(16)
}

impl Origins {
    /// Adds what an option says: `same`, `any`, or a site.
    pub(crate) fn add(&mut self, word: String) {
        match (word.as_str(), &mut *self) {
            ("same", _) => *self = Self::Same,
            ("any", _) => *self = Self::Any,
            (_, Self::Listed(sites)) => sites.push(word),
            _ => *self = Self::Listed(vec![word]),
        }
    }

    fn allow(&self, origin: &[u8], host: &[u8]) -> bool {
        match self {
            Self::Same => [b"http://".as_slice(), b"https://"]
                .iter()
                .filter_map(|scheme| origin.strip_prefix(*scheme))
                .any(|site| site.eq_ignore_ascii_case(host)),
            Self::Listed(sites) => {
                sites.iter().any(|site| origin.eq_ignore_ascii_case(site.as_bytes()))
            }
            Self::Any => true,
        }
    }
}

impl Refused {
    /// What is wrong, for whoever reads the answer.
    pub(crate) const fn why(self) -> &'static str {
        match self {
            Self::Method => "a socket is opened by a GET",
            Self::Body => "a socket is opened by a GET without a body",
            Self::NoUpgrade => {
                "only WebSockets are served here: Upgrade and Connection are missing"
            }
            Self::Version => "Sec-WebSocket-Version must be 13",
            Self::Key => "Sec-WebSocket-Key must be 16 bytes in base64, and be there once",
            Self::Origin => "pages of this origin may not open a socket here",
        }
    }
}

#[cfg(test)]
mod tests {
    use windlass::{Codec, Decoded};

    use super::super::http1::{Frame, Http1};
    use super::*;

    /// The request of section 1.3, and what it has to be answered.
    const SAMPLE: [(&str, &str); 6] = [
        ("Host", "server.example.com"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Origin", "http://server.example.com"),
        ("Sec-WebSocket-Version", "13"),
    ];
    const SAMPLE_ANSWER: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

    /// What a request with this first line and these headers is answered.
    fn answer_to(
        line: &str,
        headers: &[(&str, &str)],
        origins: &Origins,
    ) -> Result<String, Refused> {
        let lines: String =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let mut head = format!("{line}\r\n{lines}\r\n").into_bytes();
        match Http1::default().decode(&mut head) {
            Ok(Decoded::Frame { frame: Frame::Request(request), .. }) => {
                accept(&request, origins).map(|accept| accept.as_str().to_owned())
            }
            other => panic!("no request: {other:?}"),
        }
    }

    fn answer(headers: &[(&str, &str)], origins: &Origins) -> Result<String, Refused> {
        answer_to("GET /chat HTTP/1.1", headers, origins)
    }

    /// The answer to the sample with one header changed to these values.
    fn answer_with(name: &str, values: &[&str]) -> Result<String, Refused> {
        let others = SAMPLE.into_iter().filter(|(other, _)| *other != name);
        let headers: Vec<_> = values.iter().map(|value| (name, *value)).chain(others).collect();
        answer(&headers, &Origins::Same)
    }

    #[test]
    fn the_sample_of_the_specification_is_answered_as_there() {
        assert_eq!(answer(&SAMPLE, &Origins::Same), Ok(SAMPLE_ANSWER.to_owned()));
    }

    #[test]
    fn names_and_tokens_may_be_written_in_any_case_and_in_lists() {
        for (name, values) in [
            ("Upgrade", ["h2c, WebSocket"].as_slice()),
            ("Connection", &["keep-alive, UPGRADE"]),
            ("Connection", &["keep-alive", " ,upgrade ,"]),
            ("Sec-WebSocket-Key", &[" dGhlIHNhbXBsZSBub25jZQ== "]),
            ("Origin", &[]),
            ("Origin", &["https://SERVER.example.com"]),
        ] {
            assert_eq!(answer_with(name, values), Ok(SAMPLE_ANSWER.to_owned()), "{name}");
        }
        let small = SAMPLE.map(|(name, value)| (name.to_lowercase(), value));
        let small: Vec<_> = small.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        assert!(answer(&small, &Origins::Same).is_ok());
    }

    #[test]
    fn what_is_missing_or_wrong_is_told() {
        let key = "dGhlIHNhbXBsZSBub25jZQ==";
        for (name, values, refused) in [
            ("Upgrade", [].as_slice(), Refused::NoUpgrade),
            ("Upgrade", &["websockets"], Refused::NoUpgrade),
            ("Connection", &["keep-alive"], Refused::NoUpgrade),
            ("Sec-WebSocket-Version", &[], Refused::Version),
            ("Sec-WebSocket-Version", &["8"], Refused::Version),
            ("Sec-WebSocket-Version", &["13", "13"], Refused::Version),
            ("Sec-WebSocket-Version", &["13, 8"], Refused::Version),
            ("Sec-WebSocket-Key", &[], Refused::Key),
            ("Sec-WebSocket-Key", &[key, key], Refused::Key),
            ("Sec-WebSocket-Key", &["dGhlIHNhbXBsZSBub25jZQ"], Refused::Key),
            ("Sec-WebSocket-Key", &["dGhlIHNhbXBsZSBub25jZSE="], Refused::Key),
            ("Sec-WebSocket-Key", &["dGhlIHNhbXBsZSBub25jZ!=="], Refused::Key),
            ("Origin", &["http://other.example.com"], Refused::Origin),
            ("Origin", &["null"], Refused::Origin),
            ("Origin", &["ftp://server.example.com"], Refused::Origin),
            ("Origin", &["http://server.example.com", "http://other"], Refused::Origin),
        ] {
            assert_eq!(answer_with(name, values), Err(refused), "{name}: {values:?}");
        }
    }

    #[test]
    fn other_requests_open_no_socket() {
        let answer = |line| answer_to(line, &SAMPLE, &Origins::Same);
        assert_eq!(answer("POST /chat HTTP/1.1"), Err(Refused::Method));
        assert_eq!(answer("HEAD /chat HTTP/1.1"), Err(Refused::Method));
        assert_eq!(answer("GET /chat HTTP/1.0"), Err(Refused::NoUpgrade));
        assert_eq!(answer_with("Content-Length", &["1"]), Err(Refused::Body));
    }

    #[test]
    fn sites_can_be_listed_or_all_be_allowed() {
        let origin = |origin, origins: &Origins| {
            let mut headers = SAMPLE;
            headers[4].1 = origin;
            answer(&headers, origins).err()
        };
        let listed = Origins::Listed(vec!["https://a.example".to_owned()]);
        assert_eq!(origin("https://A.example", &listed), None);
        assert_eq!(origin("http://a.example", &listed), Some(Refused::Origin));
        assert_eq!(origin("http://server.example.com", &listed), Some(Refused::Origin));
        assert_eq!(origin("null", &Origins::Any), None);
    }
}
