//! What the bare loop answers in real protocols: the same to every request, without a look at it
//! beyond where it ends. No server that looks can cost less.

use std::io::{self, ErrorKind};
use std::net::UdpSocket;
use std::os::fd::{AsRawFd as _, RawFd};

use memchr::memmem;

use super::calls::{self, Over};
use super::{Server, keep, send, slot};
use crate::contenders::{DATAGRAM_LEN, announce, any_port};
use crate::workload::Protocol;

/// The date is as long as any, and never another.
const HTTP_ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 13\r\n\
    Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\nHello, World!";
const HEAD_END: &[u8] = b"\r\n\r\n";

const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";
const PONG: &[u8] = b"+PONG\r\n";

/// The header of a DNS message.
const DNS_HEADER_LEN: usize = 12;
/// An address for the name in the question: the name is a pointer to there.
const DNS_RECORD: &[u8] = &[0xc0, 12, 0, 1, 0, 1, 0, 0, 14, 16, 0, 4, 192, 0, 2, 1];

/// How many times as long as all requests their answers are at most, of requests that are not
/// shorter than `GET / HTTP/1.1` and its two line ends.
pub(super) fn growth(protocol: Protocol) -> usize {
    if protocol == Protocol::Http { 8 } else { 1 }
}

impl Server {
    /// Reads what has come, and answers each request that ends in it: `answer_each` says how many
    /// bytes of requests it has answered with how many.
    #[inline]
    pub(super) fn read_requests(
        &mut self,
        fd: RawFd,
        is_to_the_end: bool,
        answer_each: impl Fn(&[u8], &mut [u8]) -> io::Result<(usize, usize)>,
    ) -> Result<(), Over> {
        loop {
            let kept = &mut self.kept[slot(fd)];
            let mut held_len = 0;
            if let Some(kept) = kept {
                held_len = kept.unfinished.len();
                self.input[..held_len].copy_from_slice(&kept.unfinished);
            }
            let room = &mut self.input[held_len..];
            let room_len = room.len();
            let Some(len) = calls::recv(fd, room)? else { return Ok(()) };
            let arrived = &self.input[..held_len + len];
            let (taken, answers_len) = answer_each(arrived, &mut self.answers).map_err(|_| Over)?;
            if taken < arrived.len() || held_len > 0 {
                keep(&arrived[taken..], self.protocol, kept).map_err(|_| Over)?;
            }
            let answers = &self.answers[..answers_len];
            let is_all_taken = answers.is_empty() || send(fd, answers, kept)?;
            if !is_all_taken || (len < room_len && !is_to_the_end) {
                return Ok(());
            }
        }
    }
}

/// A page for each empty line.
pub(super) fn answer_each_head(requests: &[u8], answers: &mut [u8]) -> io::Result<(usize, usize)> {
    let (mut taken, mut answers_len) = (0, 0);
    while let Some(end) = memmem::find(&requests[taken..], HEAD_END) {
        put(HTTP_ANSWER, answers, &mut answers_len)?;
        taken += end + HEAD_END.len();
    }
    Ok((taken, answers_len))
}

/// A pong for each ping; there is nothing else that may be said.
pub(super) fn answer_each_ping(requests: &[u8], answers: &mut [u8]) -> io::Result<(usize, usize)> {
    let (mut taken, mut answers_len) = (0, 0);
    for request in requests.chunks_exact(PING.len()) {
        if request != PING {
            return Err(ErrorKind::InvalidData.into());
        }
        put(PONG, answers, &mut answers_len)?;
        taken += PING.len();
    }
    Ok((taken, answers_len))
}

fn put(answer: &[u8], answers: &mut [u8], answers_len: &mut usize) -> io::Result<()> {
    let room = answers.get_mut(*answers_len..*answers_len + answer.len());
    room.ok_or(ErrorKind::InvalidData)?.copy_from_slice(answer);
    *answers_len += answer.len();
    Ok(())
}

/// The question comes back, marked as a response, and one address behind it.
pub(super) fn serve_questions() -> io::Result<()> {
    let socket = UdpSocket::bind(any_port())?;
    announce(socket.local_addr()?, Protocol::Dns);
    let mut buffer = vec![0; DATAGRAM_LEN + DNS_RECORD.len()];
    loop {
        let (len, sender) = calls::recv_from(socket.as_raw_fd(), &mut buffer[..DATAGRAM_LEN])?;
        if len < DNS_HEADER_LEN {
            continue;
        }
        // A response, with authority; the count of answers is one.
        buffer[2] |= 0x84;
        buffer[7] = 1;
        buffer[len..len + DNS_RECORD.len()].copy_from_slice(DNS_RECORD);
        calls::send_to(socket.as_raw_fd(), &buffer[..len + DNS_RECORD.len()], &sender);
    }
}
