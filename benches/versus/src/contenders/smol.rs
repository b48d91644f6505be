//! smol on one thread: a task for each connection on a local executor.
//!
//! Frames are read through a buffered reader and written through a buffered writer, which is
//! flushed before the reader has to wait.

use std::error::Error;
use std::io::{self, ErrorKind};

use memchr::memchr;
use smol::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use smol::io::{BufReader, BufWriter};
use smol::net::{TcpListener, TcpStream, UdpSocket};
use smol::{Async, LocalExecutor};

use super::frames::{HEADER_LEN, payload_len};
use super::{ALL, CONNECTION_BUFFER_LEN, Contender, DATAGRAM_LEN, Threads, announce};
use crate::workload::Protocol;

pub(super) const CONTENDER: Contender = Contender {
    name: "smol",
    about: "smol, one local executor",
    protocols: ALL,
    threads: Threads::One,
    serve,
};

fn serve(protocol: Protocol) -> Result<(), Box<dyn Error>> {
    if protocol == Protocol::Datagram {
        let socket = UdpSocket::from(Async::new(super::bind_udp_nonblocking()?)?);
        announce(socket.local_addr()?, protocol);
        return Ok(smol::block_on(serve_datagrams(&socket))?);
    }
    let listener = TcpListener::from(Async::new(super::listen_nonblocking()?)?);
    announce(listener.local_addr()?, protocol);
    let executor = LocalExecutor::new();
    Ok(smol::block_on(executor.run(serve_streams(&executor, &listener, protocol)))?)
}

async fn serve_streams(
    executor: &LocalExecutor<'_>,
    listener: &TcpListener,
    protocol: Protocol,
) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        match protocol {
            Protocol::Length => executor.spawn(echo_lengths(stream)).detach(),
            Protocol::Line => executor.spawn(echo_lines(stream)).detach(),
            _ => executor.spawn(echo(stream)).detach(),
        }
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

async fn echo_lengths(stream: TcpStream) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(CONNECTION_BUFFER_LEN, stream.clone());
    let mut writer = BufWriter::with_capacity(CONNECTION_BUFFER_LEN, stream);
    let mut header = [0; HEADER_LEN];
    let mut payload = Vec::new();
    loop {
        if reader.buffer().len() < HEADER_LEN {
            writer.flush().await?;
        }
        match reader.read_exact(&mut header).await {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            outcome => outcome?,
        }
        payload.resize(payload_len(header)?, 0);
        if reader.buffer().len() < payload.len() {
            writer.flush().await?;
        }
        reader.read_exact(&mut payload).await?;
        writer.write_all(&header).await?;
        writer.write_all(&payload).await?;
    }
}

async fn echo_lines(stream: TcpStream) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(CONNECTION_BUFFER_LEN, stream.clone());
    let mut writer = BufWriter::with_capacity(CONNECTION_BUFFER_LEN, stream);
    let mut line = Vec::new();
    loop {
        if memchr(b'\n', reader.buffer()).is_none() {
            writer.flush().await?;
        }
        line.clear();
        if reader.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        writer.write_all(&line).await?;
    }
}

async fn serve_datagrams(socket: &UdpSocket) -> io::Result<()> {
    let mut buffer = vec![0; DATAGRAM_LEN];
    loop {
        let (len, sender) = socket.recv_from(&mut buffer).await?;
        socket.send_to(&buffer[..len], sender).await?;
    }
}
