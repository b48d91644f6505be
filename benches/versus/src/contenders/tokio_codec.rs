//! tokio with the codecs of tokio-util, in the two forms that are found: `send` for each frame,
//! which writes it at once, and a batch that is written when no further frame has come.
//!
//! What its codec for lines gives back as it was is text, without a carriage return at the end.

use std::error::Error;
use std::io;

use bytes::Bytes;
use futures_util::{FutureExt as _, SinkExt as _, TryStreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio_util::codec::{Decoder, Encoder, Framed, LengthDelimitedCodec, LinesCodec};

use super::frames::MAX_FRAME_LEN;
use super::{Contender, Threads, announce};
use crate::workload::Protocol;

/// What there are codecs for.
const PROTOCOLS: &[Protocol] = &[Protocol::Length, Protocol::Line];

pub(super) const SEND: Contender = Contender {
    name: "tokio-send",
    about: "tokio and its codecs, current-thread, each frame sent",
    protocols: PROTOCOLS,
    threads: Threads::One,
    serve: |protocol| serve(protocol, Form::Send),
};

pub(super) const BATCH: Contender = Contender {
    name: "tokio-batch",
    about: "tokio and its codecs, current-thread, each batch flushed",
    protocols: PROTOCOLS,
    threads: Threads::One,
    serve: |protocol| serve(protocol, Form::Batch),
};

/// How answers are written.
#[derive(Clone, Copy)]
enum Form {
    Send,
    Batch,
}

fn serve(protocol: Protocol, form: Form) -> Result<(), Box<dyn Error>> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let listener = super::listen_nonblocking()?;
    announce(listener.local_addr()?, protocol);
    Ok(runtime.block_on(serve_streams(listener, protocol, form))?)
}

async fn serve_streams(
    listener: std::net::TcpListener,
    protocol: Protocol,
    form: Form,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        if protocol == Protocol::Line {
            let codec = LinesCodec::new_with_max_length(MAX_FRAME_LEN);
            tokio::spawn(echo::<_, String>(Framed::new(stream, codec), form));
        } else {
            let codec = LengthDelimitedCodec::new();
            tokio::spawn(echo::<_, Bytes>(Framed::new(stream, codec), form));
        }
    }
}

/// Echoes until the peer has sent all. What a codec encodes is not always what it decodes.
async fn echo<C, O>(
    mut framed: Framed<TcpStream, C>,
    form: Form,
) -> Result<(), <C as Decoder>::Error>
where
    C: Decoder<Item: Into<O>> + Encoder<O, Error = <C as Decoder>::Error>,
{
    while let Some(frame) = framed.try_next().await? {
        match form {
            Form::Send => framed.send(frame.into()).await?,
            Form::Batch => {
                framed.feed(frame.into()).await?;
                // `forward` does the same, for a tenth to a fifth more instructions.
                while let Some(next) = framed.try_next().now_or_never() {
                    match next? {
                        Some(frame) => framed.feed(frame.into()).await?,
                        None => return framed.flush().await,
                    }
                }
                framed.flush().await?;
            }
        }
    }
    Ok(())
}
