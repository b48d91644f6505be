//! The few fields that say how a request is to be read, and what to do with the connection.

use httparse::Header;

use super::head::{Length, Version};
use super::{Refused, Status};

/// What the fields of a head say.
#[derive(Default)]
pub(super) struct Picked {
    has_host: bool,
    content_length: Option<u64>,
    coding: Coding,
    says_close: bool,
    says_keep_alive: bool,
    expectation: Expectation,
}

/// What the fields `Transfer-Encoding` come to.
#[derive(Default)]
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
#[derive(Default)]
enum Expectation {
    #[default]
    None,
    Continue,
    Unknown,
}

impl Picked {
    /// Looks at one field after the other.
    #[inline]
    pub(super) fn look_at(&mut self, field: &Header<'_>) -> Result<(), Refused> {
        // Hardly any other field has a name as long as one of these.
        match field.name.len() {
            4 if is(field, "host") => self.host(field.value),
            6 if is(field, "expect") => self.expect(field.value),
            10 if is(field, "connection") => self.connection(field.value),
            14 if is(field, "content-length") => self.content_length(field.value),
            17 if is(field, "transfer-encoding") => self.transfer_encoding(field.value),
            _ => Ok(()),
        }
    }

    /// RFC 9112, section 3.2: there is one, and it is a host.
    #[inline]
    fn host(&mut self, value: &[u8]) -> Result<(), Refused> {
        if self.has_host {
            return Err(Refused::bad("there is more than one Host"));
        }
        self.has_host = true;
        if is_host(value) { Ok(()) } else { Err(Refused::bad("the Host is none")) }
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
    #[inline]
    pub(super) fn length(&self, version: Version, most: u64) -> Result<Length, Refused> {
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
    #[inline]
    pub(super) const fn keeps_alive(&self, version: Version) -> bool {
        match version {
            Version::Http11 => !self.says_close,
            Version::Http10 => self.says_keep_alive && !self.says_close,
        }
    }

    /// RFC 9110, section 10.1.1: what HTTP/1.0 expects is not looked at.
    #[inline]
    pub(super) fn expects_continue(&self, version: Version) -> Result<bool, Refused> {
        match self.expectation {
            _ if version == Version::Http10 => Ok(false),
            Expectation::None => Ok(false),
            Expectation::Continue => Ok(true),
            Expectation::Unknown => Err(UNKNOWN_EXPECTATION),
        }
    }

    /// RFC 9112, section 3.2: only HTTP/1.0 goes without.
    #[inline]
    pub(super) fn check_host(&self, version: Version) -> Result<(), Refused> {
        match self.has_host || version == Version::Http10 {
            true => Ok(()),
            false => Err(Refused::bad("there is no Host")),
        }
    }
}

#[inline]
fn is(field: &Header<'_>, name: &str) -> bool {
    field.name.eq_ignore_ascii_case(name)
}

/// Whether this may be a host and a port (RFC 3986, section 3.2): which host is nobody's business
/// here. It may be empty, if what is asked for has no host.
#[inline]
pub(super) fn is_host(value: &[u8]) -> bool {
    value.iter().all(|byte| MAY_BE_IN_HOST[usize::from(*byte)])
}

/// Which bytes a host and a port may have in them.
static MAY_BE_IN_HOST: [bool; 256] = {
    let mut may_be = [false; 256];
    let allowed = b"-._~%!$&'()*+,;=:[]0123456789\
        abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut at = 0;
    while at < allowed.len() {
        may_be[allowed[at] as usize] = true;
        at += 1;
    }
    may_be
};

pub(super) const BODY_TOO_LONG: Refused =
    Refused { status: Status::ContentTooLarge, why: "the body is too long" };
const UNKNOWN_CODING: Refused =
    Refused { status: Status::NotImplemented, why: "of all codings, only chunked is known here" };
const UNKNOWN_EXPECTATION: Refused =
    Refused { status: Status::ExpectationFailed, why: "only 100-continue can be expected here" };
