//! The standard library alone: a thread for each connection, which blocks.
//!
//! Frames are read through a buffered reader and written through a buffered writer, which is
//! flushed before the reader has to wait.

use std::error::Error;
use std::io::{self, BufRead as _, BufReader, BufWriter, ErrorKind, Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::thread;

use memchr::memchr;

use super::frames::{HEADER_LEN, payload_len};
use super::{
    ALL, CONNECTION_BUFFER_LEN, Contender, DATAGRAM_LEN, Threads, announce, any_port, listen,
};
use crate::workload::Protocol;

pub(super) const CONTENDER: Contender = Contender {
    name: "threads",
    about: "the standard library, a thread for each connection",
    protocols: ALL,
    threads: Threads::Many,
    serve,
};

/// Buffers are elsewhere, and ten thousand stacks have to be mapped.
const STACK_LEN: usize = 64 * 1024;

fn serve(protocol: Protocol) -> Result<(), Box<dyn Error>> {
    let echo = match protocol {
        Protocol::Length => echo_lengths,
        Protocol::Line => echo_lines,
        Protocol::Datagram => return Ok(serve_datagrams()?),
        _ => echo,
    };
    let listener = listen()?;
    announce(listener.local_addr()?, protocol);
    loop {
        let (stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        thread::Builder::new().stack_size(STACK_LEN).spawn(move || echo(&stream))?;
    }
}

fn echo(mut stream: &TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; CONNECTION_BUFFER_LEN];
    loop {
        let len = stream.read(&mut buffer)?;
        if len == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..len])?;
    }
}

fn echo_lengths(stream: &TcpStream) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(CONNECTION_BUFFER_LEN, stream);
    let mut writer = BufWriter::with_capacity(CONNECTION_BUFFER_LEN, stream);
    let mut header = [0; HEADER_LEN];
    let mut payload = Vec::new();
    loop {
        if reader.buffer().len() < HEADER_LEN {
            writer.flush()?;
        }
        match reader.read_exact(&mut header) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            outcome => outcome?,
        }
        payload.resize(payload_len(header)?, 0);
        if reader.buffer().len() < payload.len() {
            writer.flush()?;
        }
        reader.read_exact(&mut payload)?;
        writer.write_all(&header)?;
        writer.write_all(&payload)?;
    }
}

fn echo_lines(stream: &TcpStream) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(CONNECTION_BUFFER_LEN, stream);
    let mut writer = BufWriter::with_capacity(CONNECTION_BUFFER_LEN, stream);
    let mut line = Vec::new();
    loop {
        if memchr(b'\n', reader.buffer()).is_none() {
            writer.flush()?;
        }
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        writer.write_all(&line)?;
    }
}

fn serve_datagrams() -> io::Result<()> {
    let socket = UdpSocket::bind(any_port())?;
    announce(socket.local_addr()?, Protocol::Datagram);
    let mut buffer = vec![0; DATAGRAM_LEN];
    loop {
        let (len, sender) = socket.recv_from(&mut buffer)?;
        // What cannot be sent is lost, as datagrams may be.
        let _ = socket.send_to(&buffer[..len], sender);
    }
}
