//! The outcome never depends on how the network cut the bytes: the built-in codecs, each against
//! every way to cut each stream of a corpus, and against a plain reading of what they promise; and
//! the same through the whole engine.

mod corpus;
mod engine;
mod feed;
#[path = "../fixture/mod.rs"]
mod fixture;
mod length_prefixed;
mod plain;
mod readers;
mod round_trips;
mod settings;
