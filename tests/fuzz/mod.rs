//! What is done with any string of bytes: a body for each target of `fuzz`, which three drivers
//! share.
//!
//! The fuzzer runs the bodies with bytes that it makes up (`fuzz/README.md` says how); the tests of
//! the crate run them with the corpora that it left in `fuzz/corpus`, and with bytes that chance
//! makes of those, so that something is tried also where there is no fuzzer. A body panics if a
//! promise is broken.

mod choices;
mod codecs;
mod dns;
#[cfg(test)]
mod drivers;
mod engine;
mod http;
mod kv;
mod rates;
mod text;
mod timers;
mod websocket;
mod write_queue;

// The codecs' tests have plain readers of all they read.
#[path = "../codec_splits/feed.rs"]
mod feed;
#[path = "../codec_splits/readers.rs"]
mod readers;
#[path = "../codec_splits/settings.rs"]
mod settings;

// The world of the engine's tests, which the tests of the crate have already.
#[cfg(test)]
use crate::proof::fixture;
#[cfg(not(test))]
#[path = "../fixture/mod.rs"]
mod fixture;

use self::kv::example::common as options;

#[path = "../../examples/http/http1/mod.rs"]
#[allow(dead_code, unused_imports, reason = "what reads requests and writes answers is tried")]
mod http1;

/// What is done with a string of bytes.
pub(crate) type Body = fn(&[u8]);

/// All targets: the names of the files in `fuzz/fuzz_targets`, and of the folders in `fuzz/corpus`.
pub(crate) const TARGETS: &[(&str, Body)] = &[
    ("raw", codecs::raw),
    ("lines", codecs::lines),
    ("byte_lines", codecs::byte_lines),
    ("delimited", codecs::delimited),
    ("fixed", codecs::fixed),
    ("length_prefixed", codecs::length_prefixed),
    ("varint", codecs::varint),
    ("rates", rates::rates),
    ("timers", timers::timers),
    ("write_queue", write_queue::write_queue),
    ("http", http::http),
    ("cidr", text::cidr),
    ("escaped", text::escaped),
    ("options", text::options),
    ("dns", dns::dns),
    ("dns_zone", dns::dns_zone),
    ("kv", kv::kv),
    ("websocket", websocket::websocket),
    ("engine", engine::engine),
];

/// The body of the target of this name.
///
/// # Panics
///
/// If there is none.
pub(crate) fn body(target: &str) -> Body {
    let found = TARGETS.iter().find(|(name, _)| *name == target);
    found.unwrap_or_else(|| panic!("there is no target {target}")).1
}
