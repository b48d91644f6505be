//! The few fields that say how a request is to be read, and what to do with the connection.

use super::bytes::{IN_HOST, are_all_in};
use super::head::{Length, Method, Request, Version};
use super::line::Line;
use super::lines::field;
use super::{Limits, Refused, Status};

/// What the fields of a head say.
#[derive(Clone, Default, Debug)]
pub(super) struct Picked {
    has_host: bool,
    content_length: Option<u64>,
    coding: Coding,
    says_close: bool,
    says_keep_alive: bool,
    expectation: Expectation,
}

/// What the fields `Transfer-Encoding` come to.
#[derive(Clone, Copy, Default, Debug)]
enum Coding {
    #[default]
    None,
    Chunked,
    /// Something that is not known here.
    Unknown,
    /// The same, and then chunks.
    UnknownChunked,
}

/// What the fields `Expect` come to.
#[derive(Clone, Copy, Default, Debug)]
enum Expectation {
    #[default]
    None,
    Continue,
    Unknown,
}

impl Picked {
    /// Looks at a line with a field.
    pub(super) fn read(&mut self, line: &[u8]) -> Result<(), Refused> {
        let (name, value) = field(line)?;
        // Hardly any other field has a name as long as one of these.
        match name.len() {
            4 if is(name, b"host") => self.host(value),
            6 if is(name, b"expect") => self.expect(value),
            10 if is(name, b"connection") => self.connection(value),
            14 if is(name, b"content-length") => self.content_length(value),
            17 if is(name, b"transfer-encoding") => self.transfer_encoding(value),
            _ => Ok(()),
        }
    }

    /// The request that has this first line and these fields.
    pub(super) fn request<'a>(
        &self,
        line: Line<'a>,
        fields: &'a [u8],
        limits: Limits,
    ) -> Result<Request<'a>, Refused> {
        let Line { method, version, path, query } = line;
        self.check_host(version)?;
        let length = self.length(version, limits.body_len)?;
        let keep_alive = self.keeps_alive(version);
        let expects_continue = self.expects_continue(version)?;
        let is_plain = method == Method::Get
            && version == Version::Http11
            && length == Length::None
            && keep_alive
            && !expects_continue
            && query.is_none();
        Ok(Request {
            method,
            version,
            length,
            keep_alive,
            expects_continue,
            is_plain,
            path,
            query,
            fields,
        })
    }

    /// RFC 9112, section 3.2: there is one, and it is a host.
    fn host(&mut self, value: &[u8]) -> Result<(), Refused> {
        if self.has_host {
            return Err(Refused::bad("there is more than one Host"));
        }
        self.has_host = true;
        if are_all_in(&IN_HOST, value) { Ok(()) } else { Err(Refused::bad("the Host is none")) }
    }

    fn expect(&mut self, value: &[u8]) -> Result<(), Refused> {
        let is_known = value.eq_ignore_ascii_case(b"100-continue");
        self.expectation = match self.expectation {
            Expectation::None | Expectation::Continue if is_known => Expectation::Continue,
            _ => Expectation::Unknown,
        };
        Ok(())
    }

    fn connection(&mut self, value: &[u8]) -> Result<(), Refused> {
        for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            self.says_close |= option.eq_ignore_ascii_case(b"close");
            self.says_keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
        Ok(())
    }

    /// RFC 9110, section 8.6: digits. A list of equal ones could be taken for one; it is not.
    fn content_length(&mut self, value: &[u8]) -> Result<(), Refused> {
        if self.content_length.is_some() {
            return Err(Refused::bad("there is more than one Content-Length"));
        }
        if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
            return Err(Refused::bad("the Content-Length is no number"));
        }
        // What is too large for the type is too large for any limit.
        let length = value.iter().try_fold(0_u64, |length, digit| {
            length.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
        });
        self.content_length = Some(length.unwrap_or(u64::MAX));
        Ok(())
    }

    /// RFC 9112, section 6.1: a list of codings, of which the last is `chunked`, and no other.
    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), Refused> {
        for coding in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            let is_chunked = coding.eq_ignore_ascii_case(b"chunked");
            self.coding = match self.coding {
                Coding::None if is_chunked => Coding::Chunked,
                Coding::Unknown if is_chunked => Coding::UnknownChunked,
                Coding::None | Coding::Unknown if !coding.is_empty() => Coding::Unknown,
                _ => {
                    return Err(Refused::bad(
                        "a Transfer-Encoding comes after chunked, or is empty",
                    ));
                }
            };
        }
        Ok(())
    }

    /// RFC 9112, section 6.3: how long the body is. Where two readers might differ, nobody is to
    /// read on.
    fn length(&self, version: Version, most: u64) -> Result<Length, Refused> {
        match (&self.coding, self.content_length) {
            (Coding::None, None) => Ok(Length::None),
            (Coding::None, Some(len)) if len <= most => Ok(Length::Known(len)),
            (Coding::None, Some(_)) => Err(BODY_TOO_LONG),
            (_, Some(_)) => {
                Err(Refused::bad("there are both a Content-Length and a Transfer-Encoding"))
            }
            _ if version == Version::Http10 => {
                Err(Refused::bad("HTTP/1.0 knows no Transfer-Encoding"))
            }
            (Coding::Chunked, None) => Ok(Length::Chunked),
            (Coding::UnknownChunked, None) => Err(UNKNOWN_CODING),
            (Coding::Unknown, None) => {
                Err(Refused::bad("the last Transfer-Encoding is not chunked"))
            }
        }
    }

    /// RFC 9112, section 9.3.
    const fn keeps_alive(&self, version: Version) -> bool {
        match version {
            Version::Http11 => !self.says_close,
            Version::Http10 => self.says_keep_alive && !self.says_close,
        }
    }

    /// RFC 9110, section 10.1.1: what HTTP/1.0 expects is not looked at.
    fn expects_continue(&self, version: Version) -> Result<bool, Refused> {
        match self.expectation {
            _ if version == Version::Http10 => Ok(false),
            Expectation::None => Ok(false),
            Expectation::Continue => Ok(true),
            Expectation::Unknown => Err(UNKNOWN_EXPECTATION),
        }
    }

    /// RFC 9112, section 3.2: only HTTP/1.0 goes without.
    fn check_host(&self, version: Version) -> Result<(), Refused> {
        match self.has_host || version == Version::Http10 {
            true => Ok(()),
            false => Err(Refused::bad("there is no Host")),
        }
    }
}

/// Whether this is the name, which is given in small letters. No byte of a name becomes a letter or
/// a hyphen by this bit but itself or a large letter.
#[inline]
pub(super) fn is<const LEN: usize>(name: &[u8], small: &[u8; LEN]) -> bool {
    name.len() == LEN && name.iter().zip(small).all(|(byte, small)| byte | 0x20 == *small)
}

pub(super) const BODY_TOO_LONG: Refused =
    Refused { status: Status::ContentTooLarge, why: "the body is too long" };
const UNKNOWN_CODING: Refused =
    Refused { status: Status::NotImplemented, why: "of all codings, only chunked is known here" };
const UNKNOWN_EXPECTATION: Refused =
    Refused { status: Status::ExpectationFailed, why: "only 100-continue can be expected here" };
