//! A chat and an echo over WebSockets.
mod codec;
mod frames;
mod header;
mod mask;
mod text;
fn main() {}
