//! A bare epoll loop: the limit that everything is compared with.
//!
//! Nothing is limited, timed or counted. An idle connection is one null pointer, and a
//! registration for both directions that is never changed. Events are edges: a read that does not
//! fill the buffer has taken all there was, unless the peer is done, so that an echo is one wait,
//! one `recv` and one `send`. A connection that does not take its answers is not read until it has.
#![expect(unsafe_code, reason = "bare calls are the point of it")]

mod calls;
mod fixed;

use std::error::Error;
use std::io;
use std::mem;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsRawFd as _, RawFd};

use libc::epoll_event;
use socket2::SockRef;

use self::calls::{Over, Poll};
use super::frames::{HEADER_LEN, answer_each_length, answer_each_line, payload_len};
use super::{Contender, DATAGRAM_LEN, SHARED_BUFFER_LEN, Threads, announce, any_port};
use crate::workload::Protocol;

pub(super) const CONTENDER: Contender = Contender {
    name: "epoll",
    about: "a bare epoll loop: the limit",
    protocols: &Protocol::ALL,
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

/// A way to read and answer a connection: once, or until there is nothing more.
trait Read: Fn(&mut Server, RawFd, bool) -> Result<(), Over> {}

impl<F: Fn(&mut Server, RawFd, bool) -> Result<(), Over>> Read for F {}

/// All that outlives an event.
struct Server {
    poll: Poll,
    listener: TcpListener,
    protocol: Protocol,
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

fn serve(protocol: Protocol) -> Result<(), Box<dyn Error>> {
    match protocol {
        Protocol::Datagram => Ok(serve_datagrams()?),
        Protocol::Dns => Ok(fixed::serve_questions()?),
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
            kept: Vec::new(),
            input: vec![0; INPUT_LEN],
            answers: vec![0; INPUT_LEN * fixed::growth(protocol)],
        })
    }

    fn run(&mut self) -> io::Result<()> {
        match self.protocol {
            Protocol::Length => self.run_with(|server, fd, is_to_the_end| {
                server.read_frames(fd, is_to_the_end, answer_each_length)
            }),
            Protocol::Line => self.run_with(|server, fd, is_to_the_end| {
                server.read_frames(fd, is_to_the_end, answer_each_line)
            }),
            Protocol::Http => self.run_with(|server, fd, is_to_the_end| {
                server.read_requests(fd, is_to_the_end, fixed::answer_each_head)
            }),
            Protocol::Kv => self.run_with(|server, fd, is_to_the_end| {
                server.read_requests(fd, is_to_the_end, fixed::answer_each_ping)
            }),
            Protocol::Raw | Protocol::Datagram | Protocol::Dns => self.run_with(Self::read_raw),
        }
    }

    /// Serves with one way to read, which becomes part of the loop.
    fn run_with(&mut self, read: impl Read) -> io::Result<()> {
        let listener = self.listener.as_raw_fd();
        let mut events = [epoll_event { events: 0, u64: 0 }; EVENTS_LEN];
        loop {
            let count = self.poll.wait(&mut events)?;
            for &epoll_event { events: flags, u64: data } in &events[..count] {
                #[expect(clippy::cast_possible_truncation, reason = "it was a descriptor")]
                let fd = data as RawFd;
                if fd == listener {
                    self.accept_all()?;
                } else if let Err(Over) = self.serve_connection(fd, flags, &read) {
                    self.kept[slot(fd)] = None;
                    calls::close(fd);
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

    #[inline]
    fn serve_connection(&mut self, fd: RawFd, flags: u32, read: impl Read) -> Result<(), Over> {
        let mut is_to_the_end = flags & ENDING != 0;
        let kept = self.kept[slot(fd)].as_ref();
        if kept.is_some_and(|kept| !kept.unsent.is_empty()) {
            if !self.flush(fd)? {
                return Ok(());
            }
            // While output waited, the edges of input were passed over.
            is_to_the_end = true;
        } else if flags & READABLE == 0 {
            return Ok(());
        }
        read(self, fd, is_to_the_end)
    }

    /// Reads what has come, and sends it back.
    #[inline]
    fn read_raw(&mut self, fd: RawFd, is_to_the_end: bool) -> Result<(), Over> {
        while let Some(len) = calls::recv(fd, &mut self.input)? {
            let is_all_taken = send(fd, &self.input[..len], &mut self.kept[slot(fd)])?;
            if !is_all_taken || (len < self.input.len() && !is_to_the_end) {
                break;
            }
        }
        Ok(())
    }

    /// Reads what has come, and answers each frame that ends in it.
    #[inline]
    fn read_frames(
        &mut self,
        fd: RawFd,
        is_to_the_end: bool,
        answer_each: impl Fn(&[u8], &mut [u8]) -> io::Result<usize>,
    ) -> Result<(), Over> {
        loop {
            let kept = &mut self.kept[slot(fd)];
            let mut held_len = 0;
            if let Some(kept) = kept {
                if kept.large_len > 0 {
                    if !self.read_large(fd, is_to_the_end)? {
                        return Ok(());
                    }
                    continue;
                }
                held_len = kept.unfinished.len();
                self.input[..held_len].copy_from_slice(&kept.unfinished);
            }
            let room = &mut self.input[held_len..];
            let room_len = room.len();
            let Some(len) = calls::recv(fd, room)? else { return Ok(()) };
            let arrived = &self.input[..held_len + len];
            let answered_len = answer_each(arrived, &mut self.answers).map_err(|_| Over)?;
            if answered_len < arrived.len() || held_len > 0 {
                keep(&arrived[answered_len..], self.protocol, kept).map_err(|_| Over)?;
            }
            let answers = &self.answers[..answered_len];
            let is_all_taken = answers.is_empty() || send(fd, answers, kept)?;
            if !is_all_taken || (len < room_len && !is_to_the_end) {
                return Ok(());
            }
        }
    }

    /// Reads what is missing of a large frame, and no more, and sends it back when it is whole.
    /// Says whether to go on.
    #[cold]
    fn read_large(&mut self, fd: RawFd, is_to_the_end: bool) -> Result<bool, Over> {
        let Some(kept) = &mut self.kept[slot(fd)] else { return Ok(true) };
        if calls::recv_behind(fd, &mut kept.unfinished, kept.large_len)?.is_none() {
            return Ok(false);
        }
        if kept.unfinished.len() < kept.large_len {
            return Ok(is_to_the_end);
        }
        kept.unsent = mem::take(&mut kept.unfinished);
        kept.large_len = 0;
        self.flush(fd)
    }

    /// Sends what waits, and says whether all is taken.
    #[cold]
    fn flush(&mut self, fd: RawFd) -> Result<bool, Over> {
        let slot = &mut self.kept[slot(fd)];
        let Some(kept) = slot else { return Ok(true) };
        while kept.sent < kept.unsent.len() {
            let Some(len) = calls::send(fd, &kept.unsent[kept.sent..])? else { return Ok(false) };
            kept.sent += len;
        }
        if kept.unfinished.is_empty() {
            *slot = None;
        } else {
            (kept.unsent, kept.sent) = (Vec::new(), 0);
        }
        Ok(true)
    }
}

/// Keeps the beginning of a frame, if there is one. Nothing else is kept then, since who is owed
/// something is not read.
#[cold]
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
    if is_large && protocol != Protocol::Length {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let kept = slot.get_or_insert_default();
    kept.large_len = if is_large { frame_len } else { 0 };
    kept.unfinished.clear();
    kept.unfinished.reserve_exact(frame_len);
    kept.unfinished.extend_from_slice(rest);
    Ok(())
}

/// Sends what the kernel takes, keeps the rest, and says whether there is none.
#[inline]
fn send(fd: RawFd, bytes: &[u8], slot: &mut Option<Box<Kept>>) -> Result<bool, Over> {
    let sent = calls::send(fd, bytes)?.unwrap_or(0);
    let is_all_taken = sent == bytes.len();
    if !is_all_taken {
        keep_unsent(&bytes[sent..], slot);
    }
    Ok(is_all_taken)
}

#[cold]
fn keep_unsent(bytes: &[u8], slot: &mut Option<Box<Kept>>) {
    slot.get_or_insert_default().unsent = bytes.to_vec();
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
