//! monoio, over io_uring and over epoll: one thread, a task for each connection, buffers that are
//! given to each operation and come back with it.

use std::io;

use monoio::buf::IoBuf as _;
use monoio::io::{AsyncReadRent as _, AsyncWriteRentExt as _};
use monoio::net::udp::UdpSocket;
use monoio::net::{ListenerOpts, TcpListener, TcpStream};
use monoio::{IoUringDriver, LegacyDriver, RuntimeBuilder};

use super::frames::Frames;
use super::{
    ALL, BACKLOG, CONNECTION_BUFFER_LEN, Contender, DATAGRAM_LEN, Threads, announce, any_port,
};
use crate::workload::Protocol;

pub(super) const URING: Contender = Contender {
    name: "monoio-uring",
    about: "monoio, io_uring driver",
    protocols: ALL,
    threads: Threads::One,
    serve: |protocol| {
        let mut runtime = RuntimeBuilder::<IoUringDriver>::new().build()?;
        Ok(runtime.block_on(serve(protocol))?)
    },
};

pub(super) const EPOLL: Contender = Contender {
    name: "monoio-epoll",
    about: "monoio, epoll driver",
    protocols: ALL,
    threads: Threads::One,
    serve: |protocol| {
        let mut runtime = RuntimeBuilder::<LegacyDriver>::new().build()?;
        Ok(runtime.block_on(serve(protocol))?)
    },
};

async fn serve(protocol: Protocol) -> io::Result<()> {
    if protocol == Protocol::Datagram {
        return serve_datagrams().await;
    }
    let options = ListenerOpts::new().backlog(BACKLOG).reuse_port(false);
    let listener = TcpListener::bind_with_config(any_port(), &options)?;
    announce(listener.local_addr()?, protocol);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        match protocol {
            Protocol::Length | Protocol::Line => monoio::spawn(echo_frames(stream, protocol)),
            _ => monoio::spawn(echo(stream)),
        };
    }
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(CONNECTION_BUFFER_LEN);
    let mut outcome;
    loop {
        (outcome, buffer) = stream.read(buffer).await;
        if outcome? == 0 {
            return Ok(());
        }
        (outcome, buffer) = stream.write_all(buffer).await;
        outcome?;
        buffer.clear();
    }
}

async fn echo_frames(mut stream: TcpStream, protocol: Protocol) -> io::Result<()> {
    let mut frames = Frames::default();
    let mut buffer = Vec::with_capacity(CONNECTION_BUFFER_LEN);
    let mut room = vec![0; CONNECTION_BUFFER_LEN];
    let mut outcome;
    loop {
        (outcome, buffer) = stream.read(buffer).await;
        if outcome? == 0 {
            return Ok(());
        }
        let len = frames.answer(protocol, &buffer, &mut room)?.len();
        buffer.clear();
        if len > 0 {
            let (outcome, answers) = stream.write_all(room.slice(..len)).await;
            outcome?;
            room = answers.into_inner();
        }
    }
}

async fn serve_datagrams() -> io::Result<()> {
    let socket = UdpSocket::bind(any_port())?;
    announce(socket.local_addr()?, Protocol::Datagram);
    let mut buffer = Vec::with_capacity(DATAGRAM_LEN);
    loop {
        let (received, payload) = socket.recv_from(buffer).await;
        let (_, sender) = received?;
        // What cannot be sent is lost, as datagrams may be.
        (_, buffer) = socket.send_to(payload, sender).await;
        buffer.clear();
    }
}
