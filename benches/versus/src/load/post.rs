//! Datagrams of different lengths, many sent and received in a call: with a call for each, the load
//! would be slower than a server that does this.

use std::io::{IoSlice, IoSliceMut};
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, recvmmsg, sendmmsg};

use crate::trouble::{Trouble, Trying as _};

/// How many in a call.
const MOST: usize = 32;

/// What is to be sent, one behind the other.
#[derive(Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Outbox {
    pub(super) fn push(&mut self, message: &[u8]) {
        self.bytes.extend_from_slice(message);
        self.ends.push(self.bytes.len());
    }

    fn parts(&self) -> Vec<[IoSlice<'_>; 1]> {
        let starts = [0].into_iter().chain(self.ends.iter().copied());
        let ranges = starts.zip(&self.ends).map(|(start, &end)| &self.bytes[start..end]);
        ranges.map(|message| [IoSlice::new(message)]).collect()
    }
}

/// Sends and receives, of messages that are at most so long.
pub(super) struct Post<const LONGEST: usize> {
    sending: MultiHeaders<()>,
    receiving: MultiHeaders<()>,
    room: Box<[[u8; LONGEST]]>,
}

impl<const LONGEST: usize> Post<LONGEST> {
    pub(super) fn new() -> Self {
        Self {
            sending: MultiHeaders::preallocate(MOST, None),
            receiving: MultiHeaders::preallocate(MOST, None),
            room: vec![[0; LONGEST]; MOST].into_boxed_slice(),
        }
    }

    /// Sends all that is in there, which is then empty.
    pub(super) fn send(&mut self, socket: &UdpSocket, outbox: &mut Outbox) -> Result<(), Trouble> {
        let parts = outbox.parts();
        let mut left = &parts[..];
        while !left.is_empty() {
            let (fd, flags) = (socket.as_raw_fd(), MsgFlags::empty());
            let sent = sendmmsg(fd, &mut self.sending, left, [None; MOST], [], flags);
            left = &left[sent.trying("cannot send")?.count()..];
        }
        drop(parts);
        outbox.bytes.clear();
        outbox.ends.clear();
        Ok(())
    }

    /// Receives once, gives each message to `each`, and says whether there may be more.
    ///
    /// # Errors
    /// What the socket or `each` gives.
    pub(super) fn receive(
        &mut self,
        socket: &UdpSocket,
        mut each: impl FnMut(&[u8]) -> Result<(), Trouble>,
    ) -> Result<bool, Trouble> {
        let lens = match self.lens(socket) {
            Ok(lens) => lens,
            Err(Errno::EAGAIN) => return Ok(false),
            Err(error) => return Err(error).trying("cannot receive"),
        };
        for (message, len) in self.room.iter().zip(&lens) {
            each(&message[..*len])?;
        }
        Ok(lens.len() == MOST)
    }

    /// Receives once, and says how long the messages are.
    fn lens(&mut self, socket: &UdpSocket) -> nix::Result<Vec<usize>> {
        let Self { receiving, room, .. } = self;
        let mut parts: Vec<_> = room.iter_mut().map(|part| [IoSliceMut::new(part)]).collect();
        let flags = MsgFlags::MSG_DONTWAIT;
        let messages = recvmmsg(socket.as_raw_fd(), receiving, &mut parts, flags, None)?;
        Ok(messages.map(|message| message.bytes).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> [UdpSocket; 2] {
        let [one, other] = [0, 0].map(|_| UdpSocket::bind("127.0.0.1:0").unwrap());
        one.connect(other.local_addr().unwrap()).unwrap();
        other.connect(one.local_addr().unwrap()).unwrap();
        [one, other]
    }

    #[test]
    fn messages_of_any_length_come_as_they_were_sent() {
        let [one, other] = pair();
        let mut post = Post::<128>::new();
        let messages: Vec<Vec<u8>> = (0..75_u8).map(|at| vec![at; usize::from(at)]).collect();
        for _ in 0..2 {
            let mut outbox = Outbox::default();
            messages.iter().for_each(|message| outbox.push(message));
            post.send(&one, &mut outbox).unwrap();
            assert!(outbox.parts().is_empty());
            let mut came = Vec::new();
            let mut receive = || {
                post.receive(&other, |message| {
                    came.push(message.to_vec());
                    Ok(())
                })
            };
            assert_eq!([receive(), receive(), receive()], [Ok(true), Ok(true), Ok(false)]);
            assert_eq!(receive(), Ok(false));
            assert_eq!(came, messages);
        }
    }

    #[test]
    fn what_is_wrong_with_a_message_is_told() {
        let [one, other] = pair();
        one.send(b"x").unwrap();
        let mut post = Post::<8>::new();
        let trouble = post.receive(&other, |_| Err(Trouble::new("no")));
        assert_eq!(trouble, Err(Trouble::new("no")));
    }
}
