//! The first line of a request: what is to be done, with what, and in which version (RFC 9112,
//! section 3).

use super::bytes::{IN_HOST, IN_PATH, IN_TOKEN, are_all_in, is_in};
use super::head::{Method, Version};
use super::{Refused, Status};

/// A first line.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) method: Method,
    pub(super) version: Version,
    /// Begins with `/`, or is `*`.
    pub(super) path: &'a [u8],
    pub(super) query: Option<&'a [u8]>,
}

impl<'a> Line<'a> {
    /// The line has neither its end nor a control character in it, except perhaps tabs.
    pub(super) fn read(line: &'a [u8]) -> Result<Self, Refused> {
        let (rest, version) = if let Some(rest) = line.strip_suffix(b" HTTP/1.1") {
            (rest, Version::Http11)
        } else if let Some(rest) = line.strip_suffix(b" HTTP/1.0") {
            (rest, Version::Http10)
        } else {
            return Err(no_version(line));
        };
        let (method, target) = method(rest)?;
        let (path, query) = split(method, target)?;
        Ok(Self { method, version, path, query })
    }
}

/// The method, and what follows on the space behind it.
fn method(line: &[u8]) -> Result<(Method, &[u8]), Refused> {
    match line {
        [b'G', b'E', b'T', b' ', rest @ ..] => Ok((Method::Get, rest)),
        _ => other_method(line),
    }
}

fn other_method(line: &[u8]) -> Result<(Method, &[u8]), Refused> {
    let end = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    let method = match name {
        b"HEAD" => Method::Head,
        b"POST" => Method::Post,
        b"PUT" => Method::Put,
        b"OPTIONS" => Method::Options,
        b"DELETE" | b"PATCH" | b"TRACE" => Method::Other,
        _ if rest.is_empty() || name.is_empty() || !are_all_in(&IN_TOKEN, name) => {
            return Err(MALFORMED);
        }
        _ => return Err(UNKNOWN_METHOD),
    };
    Ok((method, rest.get(1..).unwrap_or_default()))
}

/// What is wrong with a line that does not end with one of the versions.
#[cold]
fn no_version(line: &[u8]) -> Refused {
    let version = line.last_chunk().and_then(|version: &[u8; 9]| version.strip_prefix(b" HTTP/"));
    match version {
        Some([b'0'..=b'9', b'.', b'0'..=b'9']) => WRONG_VERSION,
        _ => MALFORMED,
    }
}

/// The path of a target, which begins with `/` or is `*`, and what comes after its `?`.
fn split(method: Method, target: &[u8]) -> Result<(&[u8], Option<&[u8]>), Refused> {
    let path = match target {
        [b'/', ..] => target,
        b"*" if method == Method::Options => return Ok((target, None)),
        _ => behind_authority(target)?,
    };
    let Some(at) = path.iter().position(|byte| !is_in(&IN_PATH, *byte)) else {
        return Ok((path, None));
    };
    let (path, query) = path.split_at(at);
    match query {
        [b'?', query @ ..] if query.iter().all(|byte| *byte == b'?' || is_in(&IN_PATH, *byte)) => {
            Ok((if path.is_empty() { b"/" } else { path }, Some(query)))
        }
        _ => Err(Refused::bad("there is a space or a fragment in the target")),
    }
}

/// What follows on `http://` and a host, as proxies are asked, which any server must understand
/// (RFC 9112, section 3.2.2).
#[cold]
fn behind_authority(target: &[u8]) -> Result<&[u8], Refused> {
    let begins_with = |scheme: &&[u8]| {
        target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    let schemes: [&[u8]; 2] = [b"http://", b"https://"];
    let Some(scheme) = schemes.into_iter().find(begins_with) else {
        return Err(Refused::bad("the target is neither a path nor an address"));
    };
    let rest = &target[scheme.len()..];
    let end = rest.iter().position(|byte| b"/?#".contains(byte)).unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    if host.is_empty() || !are_all_in(&IN_HOST, host) {
        return Err(Refused::bad("the target names no host"));
    }
    Ok(if path.is_empty() { b"/" } else { path })
}

const MALFORMED: Refused = Refused::bad("the first line is malformed");
const UNKNOWN_METHOD: Refused =
    Refused { status: Status::NotImplemented, why: "the method is not known here" };
const WRONG_VERSION: Refused =
    Refused { status: Status::VersionNotSupported, why: "this server speaks HTTP/1.1" };
