//! The outcome never depends on how the network cut the bytes: the built-in codecs, each against
//! every way to cut each stream of a corpus, and against a plain reading of what they promise.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "random numbers and single bytes are cut down to size on purpose"
)]

mod corpus;
mod feed;
#[path = "../fixture/mod.rs"]
mod fixture;
mod length_prefixed;
mod plain;
mod readers;
mod round_trips;
mod settings;
