//! tokio as its tutorial echoes: a task for each connection that reads, and writes all it read.

use std::error::Error;
use std::{io, net};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::Builder;

use super::{CONNECTION_BUFFER_LEN, Contender, DATAGRAM_LEN, Threads, announce};
use crate::workload::Protocol;

/// Frames are for those that have the codecs of tokio-util.
const PROTOCOLS: &[Protocol] = &[Protocol::Raw, Protocol::Datagram];

pub(super) const CURRENT_THREAD: Contender = Contender {
    name: "tokio",
    about: "tokio, current-thread runtime",
    protocols: PROTOCOLS,
    threads: Threads::One,
    serve: |protocol| serve(&mut Builder::new_current_thread(), protocol),
};

pub(super) const MULTI_THREAD: Contender = Contender {
    name: "tokio-multi",
    about: "tokio, multi-thread runtime",
    protocols: PROTOCOLS,
    threads: Threads::Many,
    serve: |protocol| serve(&mut Builder::new_multi_thread(), protocol),
};

fn serve(builder: &mut Builder, protocol: Protocol) -> Result<(), Box<dyn Error>> {
    let runtime = builder.enable_io().build()?;
    // What is blocked on is not run by the workers of a runtime that has such; what is spawned is.
    let server = if protocol == Protocol::Datagram {
        let socket = super::bind_udp_nonblocking()?;
        announce(socket.local_addr()?, protocol);
        runtime.spawn(serve_datagrams(socket))
    } else {
        let listener = super::listen_nonblocking()?;
        announce(listener.local_addr()?, protocol);
        runtime.spawn(serve_streams(listener))
    };
    Ok(runtime.block_on(server)??)
}

async fn serve_streams(listener: net::TcpListener) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(echo(stream));
    }
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; CONNECTION_BUFFER_LEN];
    loop {
        let len = stream.read(&mut buffer).await?;
        if len == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..len]).await?;
    }
}

async fn serve_datagrams(socket: net::UdpSocket) -> io::Result<()> {
    let socket = UdpSocket::from_std(socket)?;
    let mut buffer = vec![0; DATAGRAM_LEN];
    loop {
        let (len, sender) = socket.recv_from(&mut buffer).await?;
        socket.send_to(&buffer[..len], sender).await?;
    }
}
