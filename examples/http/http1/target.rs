//! What a request asks for: the target in its first line (RFC 9112, section 3.2).

use memchr::memchr2;

use super::head::Method;
use super::{Refused, picked};

/// The path of a target, which begins with `/` or is `*`, and what comes after its `?`.
#[inline]
pub(super) fn split(method: Method, target: &str) -> Result<(&str, Option<&str>), Refused> {
    let path = match target.as_bytes() {
        [b'/', ..] => target,
        b"*" if method == Method::Options => target,
        _ => behind_authority(target)?,
    };
    let Some(at) = memchr2(b'?', b'#', path.as_bytes()) else { return Ok((path, None)) };
    let (path, query) = path.split_at(at);
    if query.contains('#') {
        return Err(Refused::bad("the target has a fragment, which is for the client alone"));
    }
    // A target that names another server need not have a path.
    Ok((if path.is_empty() { "/" } else { path }, Some(&query[1..])))
}

/// What follows on `http://` and a host, as proxies are asked, which any server must understand.
#[cold]
fn behind_authority(target: &str) -> Result<&str, Refused> {
    let is_scheme = |scheme: &&str| {
        target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    let Some(scheme) = ["http://", "https://"].iter().find(|scheme| is_scheme(scheme)) else {
        return Err(Refused::bad("the target is neither a path nor an address"));
    };
    let rest = &target[scheme.len()..];
    let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if host.is_empty() || !picked::is_host(host.as_bytes()) {
        return Err(Refused::bad("the target names no host"));
    }
    Ok(if path.is_empty() { "/" } else { path })
}
