//! A bare epoll loop: the limit that everything is compared with.
//!
//! Nothing is limited, timed or counted. An idle connection is one null pointer, and a registration
//! for both directions that is never changed. Events are edges: a read that does not fill the buffer
//! has taken all there was, unless the peer is done, so that an echo is one wait, one `recv` and one
//! `send`. A connection that does not take its answers is not read until it has.
#![expect(unsafe_code, reason = "bare calls are the point of it")]

mod calls;

use std::error::Error;
use std::io;
use std::mem;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsRawFd as _, RawFd};

use libc::epoll_event;
use socket2::SockRef;

use self::calls::{Moved, Poll};
use super::frames::{AnswerEach, HEADER_LEN, answer_each, payload_len};
use super::{ALL, Contender, DATAGRAM_LEN, SHARED_BUFFER_LEN, Threads, announce, any_port};
use crate::workload::Protocol;

pub(super) const CONTENDER: Contender = Contender {
    name: "epoll",
    about: "a bare epoll loop: the limit",
    protocols: ALL,
    threads: Threads::One,
    serve,
};

const EVENTS_LEN: usize = 1024;
/// A frame that is longer is read straight into a place of its own, and sent back from there. An
/// unfinished line must not be longer.
const SMALL_FRAME_LEN: usize = 64 * 1024;
const INPUT_LEN: usize = SMALL_FRAME_LEN + SHARED_BUFFER_LEN;

/// With these the peer is done, or the connection has failed; what it sent before can be read.
const ENDING: u32 = (libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR).cast_unsigned();
const READABLE: u32 = libc::EPOLLIN.cast_unsigned() | ENDING;

/// All that outlives an event.
struct Server {
    poll: Poll,
    listener: TcpListener,
    protocol: Protocol,
    /// None for raw bytes.
    answer_each: Option<AnswerEach>,
    /// What is kept of a connection, by its descriptor.
    kept: Vec<Option<Box<Kept>>>,
    /// What was read at a time, of whatever connection.
    input: Vec<u8>,
    /// The answers to that.
    answers: Vec<u8>,
}

/// What a connection has only as long as something is unfinished.
#[derive(Default)]
struct Kept {
    /// The beginning of a frame whose end has not come.
    unfinished: Vec<u8>,
    /// How long that frame will be with its header, if it is large, and zero if not.
    large_len: usize,
    /// What the kernel has not taken, from `sent` on.
    unsent: Vec<u8>,
    sent: usize,
}

/// How it goes on with a connection.
enum Next {
    /// More may wait to be read.
    Read,
    /// There was no more to be read than that, unless the peer is done.
    Drained,
    /// There is nothing to be read, or no answer is taken.
    Wait,
    Close,
}

fn serve(protocol: Protocol) -> Result<(), Box<dyn Error>> {
    match protocol {
        Protocol::Datagram => Ok(serve_datagrams()?),
        _ => Ok(Server::new(protocol)?.run()?),
    }
}

impl Server {
    fn new(protocol: Protocol) -> io::Result<Self> {
        let listener = super::listen_nonblocking()?;
        // What the listener has, its connections inherit, without a call for each.
        SockRef::from(&listener).set_tcp_nodelay(true)?;
        let poll = Poll::new()?;
        poll.add(listener.as_raw_fd())?;
        announce(listener.local_addr()?, protocol);
        Ok(Self {
            poll,
            listener,
            protocol,
            answer_each: answer_each(protocol),
            kept: Vec::new(),
            input: vec![0; INPUT_LEN],
            answers: Vec::new(),
        })
    }

    fn run(&mut self) -> io::Result<()> {
        let listener = self.listener.as_raw_fd();
        let mut events = [epoll_event { events: 0, u64: 0 }; EVENTS_LEN];
        loop {
            let count = self.poll.wait(&mut events)?;
            for &epoll_event { events: flags, u64: data } in &events[..count] {
                #[expect(clippy::cast_possible_truncation, reason = "it was a descriptor")]
                let fd = data as RawFd;
                if fd == listener {
                    self.accept_all()?;
                } else {
                    self.serve_connection(fd, flags);
                }
            }
        }
    }

    fn accept_all(&mut self) -> io::Result<()> {
        while let Some(fd) = calls::accept(self.listener.as_raw_fd())? {
            self.poll.add(fd)?;
            if slot(fd) >= self.kept.len() {
                self.kept.resize_with(slot(fd) + 1, || None);
            }
        }
        Ok(())
    }

    fn serve_connection(&mut self, fd: RawFd, flags: u32) {
        let is_blocked = self.kept[slot(fd)].as_ref().is_some_and(|kept| !kept.unsent.is_empty());
        // While output waited, the edges of input have been passed over.
        let reads_to_the_end = is_blocked || flags & ENDING != 0;
        let mut next = match () {
            () if is_blocked => self.flush(fd),
            () if flags & READABLE != 0 => self.read(fd),
            () => return,
        };
        loop {
            next = match next {
                Next::Read => self.read(fd),
                Next::Drained if reads_to_the_end => self.read(fd),
                Next::Drained | Next::Wait => return,
                Next::Close => {
                    self.kept[slot(fd)] = None;
                    return calls::close(fd);
                }
            };
        }
    }

    /// Reads once, and answers.
    fn read(&mut self, fd: RawFd) -> Next {
        let kept = &mut self.kept[slot(fd)];
        let Some(answer_each) = self.answer_each else {
            return match calls::recv(fd, &mut self.input[..SHARED_BUFFER_LEN]) {
                Moved::Bytes(len) => send(fd, &self.input[..len], kept).after_reading(len),
                Moved::Blocked => Next::Wait,
                Moved::Over => Next::Close,
            };
        };
        let mut held_len = 0;
        if let Some(kept) = kept {
            if kept.large_len > 0 {
                return self.read_large(fd);
            }
            held_len = kept.unfinished.len();
            self.input[..held_len].copy_from_slice(&kept.unfinished);
        }
        let room = &mut self.input[held_len..held_len + SHARED_BUFFER_LEN];
        let read_len = match calls::recv(fd, room) {
            Moved::Bytes(len) => len,
            Moved::Blocked => return Next::Wait,
            Moved::Over => return Next::Close,
        };
        let arrived = &self.input[..held_len + read_len];
        self.answers.clear();
        let Ok(consumed) = answer_each(arrived, &mut self.answers) else { return Next::Close };
        if keep(&arrived[consumed..], self.protocol, kept).is_err() {
            return Next::Close;
        }
        send(fd, &self.answers, kept).after_reading(read_len)
    }

    /// Reads what is missing of a large frame, and no more.
    fn read_large(&mut self, fd: RawFd) -> Next {
        let Some(kept) = &mut self.kept[slot(fd)] else { return Next::Read };
        let missing_len = kept.large_len - kept.unfinished.len();
        match calls::recv_behind(fd, &mut kept.unfinished, kept.large_len) {
            Moved::Bytes(len) if len < missing_len => Next::Drained,
            Moved::Bytes(_) => {
                kept.unsent = mem::take(&mut kept.unfinished);
                kept.large_len = 0;
                self.flush(fd)
            }
            Moved::Blocked => Next::Wait,
            Moved::Over => Next::Close,
        }
    }

    /// Sends what waits.
    fn flush(&mut self, fd: RawFd) -> Next {
        let slot = &mut self.kept[slot(fd)];
        let Some(kept) = slot else { return Next::Read };
        while kept.sent < kept.unsent.len() {
            match calls::send(fd, &kept.unsent[kept.sent..]) {
                Moved::Bytes(len) => kept.sent += len,
                Moved::Blocked => return Next::Wait,
                Moved::Over => return Next::Close,
            }
        }
        if kept.unfinished.is_empty() {
            *slot = None;
        } else {
            (kept.unsent, kept.sent) = (Vec::new(), 0);
        }
        Next::Read
    }
}

impl Next {
    /// A read of `len` bytes has been answered: if it did not fill the buffer, it took all.
    fn after_reading(self, len: usize) -> Self {
        match self {
            Self::Read if len < SHARED_BUFFER_LEN => Self::Drained,
            other => other,
        }
    }
}

/// Keeps the beginning of a frame, if there is one. Nothing else is kept then, since who is owed
/// something is not read.
fn keep(rest: &[u8], protocol: Protocol, slot: &mut Option<Box<Kept>>) -> io::Result<()> {
    if rest.is_empty() {
        *slot = None;
        return Ok(());
    }
    let mut frame_len = rest.len();
    if let (Protocol::Length, Some(&header)) = (protocol, rest.first_chunk()) {
        frame_len = HEADER_LEN + payload_len(header)?;
    }
    let is_large = frame_len > SMALL_FRAME_LEN;
    if is_large && protocol == Protocol::Line {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let kept = slot.get_or_insert_default();
    kept.large_len = if is_large { frame_len } else { 0 };
    kept.unfinished.clear();
    kept.unfinished.reserve_exact(frame_len);
    kept.unfinished.extend_from_slice(rest);
    Ok(())
}

/// Sends what the kernel takes, and keeps the rest.
fn send(fd: RawFd, mut bytes: &[u8], slot: &mut Option<Box<Kept>>) -> Next {
    while !bytes.is_empty() {
        match calls::send(fd, bytes) {
            Moved::Bytes(len) => bytes = &bytes[len..],
            Moved::Blocked => {
                slot.get_or_insert_default().unsent = bytes.to_vec();
                return Next::Wait;
            }
            Moved::Over => return Next::Close,
        }
    }
    Next::Read
}

/// Where what is kept of a connection stands.
#[expect(clippy::cast_sign_loss, reason = "a descriptor is not negative")]
fn slot(fd: RawFd) -> usize {
    fd as usize
}

/// The plain form: one call to receive each datagram, which sleeps until there is one, and one to
/// send it back.
fn serve_datagrams() -> io::Result<()> {
    let socket = UdpSocket::bind(any_port())?;
    announce(socket.local_addr()?, Protocol::Datagram);
    let mut buffer = vec![0; DATAGRAM_LEN];
    loop {
        let (len, sender) = calls::recv_from(socket.as_raw_fd(), &mut buffer)?;
        calls::send_to(socket.as_raw_fd(), &buffer[..len], &sender);
    }
}
