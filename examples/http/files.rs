//! `/files/...`: files of a directory, sent in portions, whole or a range of them.
//!
//! A name that leads out of the directory, by its segments or by symbolic links, is not found; nor
//! is one with a segment that begins with a dot. Whoever may change the directory while it is
//! served is trusted. The loop waits for the disk: what is served is meant to be small, or cached
//! by the system.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use windlass::{Error, Session};

use super::exchange::{Doing, Terms};
use super::http1::{Answer, Method, Request, Size, Status};
use super::precondition::{Part, Version, part};
use super::site::Site;

/// So much of a file is read and sent at a time: what the engine lets wait for a peer, by default.
const PORTION_LEN: usize = 64 << 10;

/// A directory that is served.
pub(crate) struct Files {
    root: PathBuf,
    portion: Box<[u8]>,
}

/// A file that is being sent.
pub(crate) struct Download {
    terms: Terms,
    file: File,
    left: u64,
}

/// A file that was found.
struct Found {
    file: File,
    len: u64,
    modified: SystemTime,
    kind: &'static str,
}

impl Files {
    /// The files in `directory`.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub(crate) fn new(directory: &Path) -> Result<Self, Error> {
        let what = || format!("cannot serve the files in {}", directory.display());
        let root = directory.canonicalize().map_err(|error| Error::with_source(what(), error))?;
        if !root.is_dir() {
            return Err(Error::with_source(what(), "it is no directory"));
        }
        Ok(Self { root, portion: vec![0; PORTION_LEN].into() })
    }

    /// The file that a path, as it was sent, is for. If there is one, it may be that it cannot be
    /// opened now, for want of descriptors.
    fn find(&self, path: &[u8]) -> Option<io::Result<Found>> {
        let mut wanted = self.root.clone();
        for segment in path.split(|byte| *byte == b'/') {
            wanted.push(segment_name(segment)?);
        }
        let wanted = wanted.canonicalize().ok().filter(|wanted| wanted.starts_with(&self.root))?;
        // Not before: to open a pipe would be to wait for who writes to it.
        if !wanted.metadata().ok()?.is_file() {
            return None;
        }
        let found = Found::open(&wanted);
        let is_missing = |error: &io::Error| {
            matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied)
        };
        (!found.as_ref().is_err_and(is_missing)).then_some(found)
    }
}

impl Found {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        let kind = kind(path.extension().and_then(|extension| extension.to_str()));
        Ok(Self { file, len: metadata.len(), modified: metadata.modified()?, kind })
    }
}

/// What a segment of a path stands for, if that can be the name of a file that is served.
fn segment_name(segment: &[u8]) -> Option<String> {
    let mut name = Vec::with_capacity(segment.len());
    let mut bytes = segment.iter();
    while let Some(byte) = bytes.next() {
        name.push(match byte {
            b'%' => {
                let mut digit = || char::from(*bytes.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            byte => *byte,
        });
    }
    let is_hidden = name.is_empty() || name.starts_with(b".");
    let is_odd = name.iter().any(|byte| byte.is_ascii_control() || b"/\\".contains(byte));
    String::from_utf8(name).ok().filter(|_| !is_hidden && !is_odd)
}

/// What a file has in it, by how its name ends.
fn kind(extension: Option<&str>) -> &'static str {
    match extension.unwrap_or_default() {
        "css" => "text/css; charset=utf-8",
        "gif" => "image/gif",
        "htm" | "html" => "text/html; charset=utf-8",
        "ico" => "image/x-icon",
        "jpeg" | "jpg" => "image/jpeg",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "pdf" => "application/pdf",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "txt" | "md" | "rs" | "toml" => "text/plain; charset=utf-8",
        "wasm" => "application/wasm",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

impl Site {
    /// Answers with a file, or with what of it is asked for.
    pub(crate) fn send_file(
        &mut self,
        session: &mut Session<'_, Self>,
        request: &Request<'_>,
        path: &[u8],
    ) -> Result<(), Error> {
        let found = match self.files.as_ref().and_then(|files| files.find(path)) {
            Some(Ok(found)) => found,
            Some(Err(_)) => {
                let why = "the file cannot be opened now";
                return self.say(session, request, Status::ServiceUnavailable, why);
            }
            None => return self.say(session, request, Status::NotFound, "there is no such file"),
        };
        let Found { mut file, len, modified, kind } = found;
        let version = Version::of(len, modified);
        let (tag, date) = (version.tag.as_str(), version.date.as_str());
        let terms = Terms::of(request, session.is_draining());
        let fields = [("ETag", tag), ("Last-Modified", date), ("Content-Type", kind), BY_BYTES];
        let (from, left) = match part(request, &version, len) {
            Part::Whole => {
                self.send_head(session, terms, Status::Ok, Size::Known(len), &fields)?;
                (0, len)
            }
            Part::Range { from, to } => {
                let (left, range) = (to - from + 1, format!("bytes {from}-{to}/{len}"));
                let [tag, date, kind, _] = fields;
                let fields = [tag, date, kind, ("Content-Range", &range)];
                self.send_head(session, terms, Status::PartialContent, Size::Known(left), &fields)?;
                (from, left)
            }
            Part::Unchanged => {
                self.send_head(session, terms, Status::NotModified, Size::None, &fields[..2])?;
                return self.finish(session, terms);
            }
            Part::Beyond => {
                let range = format!("bytes */{len}");
                let fields = [("Content-Range", range.as_str())];
                let (status, size) = (Status::RangeNotSatisfiable, Size::Known(0));
                self.send_head(session, terms, status, size, &fields)?;
                return self.finish(session, terms);
            }
        };
        if request.method == Method::Head {
            return self.finish(session, terms);
        }
        if from > 0 {
            file.seek(SeekFrom::Start(from))?;
        }
        session.state().doing = Doing::Sending(Download { terms, file, left });
        // The next request waits until this one is answered.
        session.pause();
        self.send_on(session)
    }

    /// Sends the next portion of a file.
    pub(crate) fn send_on(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        let Doing::Sending(download) = &mut session.state().doing else { return Ok(()) };
        let Some(files) = &mut self.files else { return Ok(()) };
        let most = usize::try_from(download.left).unwrap_or(usize::MAX).min(PORTION_LEN);
        let len = read_some(&mut download.file, &mut files.portion[..most])?;
        download.left -= len as u64;
        let (terms, left) = (download.terms, download.left);
        if len < most {
            // It was cut short meanwhile: what was announced cannot be kept, and must be missed.
            session.abort();
            return Ok(());
        }
        session.send(Answer::Piece(&files.portion[..len]))?;
        if left > 0 {
            session.want_writable();
            return Ok(());
        }
        session.resume();
        self.finish(session, terms)
    }
}

/// Reads until there is no more, or no more room.
fn read_some(file: &mut File, room: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < room.len() {
        match file.read(&mut room[filled..]) {
            Ok(0) => break,
            Ok(len) => filled += len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// That ranges can be asked for.
const BY_BYTES: (&str, &str) = ("Accept-Ranges", "bytes");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_decoded_once_and_names_nothing_else() {
        for (segment, expected) in [
            ("a", Some("a")),
            ("a%20b", Some("a b")),
            ("%c3%A9", Some("\u{e9}")),
            ("a..b", Some("a..b")),
            ("%2561", Some("%61")),
            ("", None),
            (".", None),
            ("..", None),
            ("%2e%2e", None),
            (".git", None),
            ("a%2f..%2fb", None),
            ("a%5cb", None),
            ("a\\b", None),
            ("a%00", None),
            ("a%0a", None),
            ("%", None),
            ("%4", None),
            ("%g0", None),
            ("%+1", None),
            ("%ff", None),
        ] {
            assert_eq!(segment_name(segment.as_bytes()).as_deref(), expected, "{segment:?}");
        }
    }
}
