//! Datagrams that wait to be sent.

use std::iter;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

/// A datagram longer than this is not joined with others: with the headers of IPv6 and UDP it is as
/// long as a packet of Ethernet, and the kernel joins only what leaves as one packet each.
const MAX_SEGMENT_LEN: usize = 1452;
/// How many datagrams are joined at most: older kernels take no more.
const MAX_SEGMENTS: usize = 64;
/// How many bytes are joined at most: with the headers of IPv4 and UDP, the longest IP packet.
const MAX_JOINED_LEN: usize = 65_507;
/// Room for less than this is not worth moving anything.
const WORTH_MOVING_LEN: usize = 64 * 1024;
/// The buffer grows by multiples of this: of a page, which is memory that is taken at once.
const GROWTH_LEN: usize = 4096;

/// The memory that a waiting datagram may take besides its payload.
const SHARE_LEN: usize = size_of::<Run>();

/// Datagrams that wait to be sent, in one buffer; a queue.
#[derive(Debug)]
pub struct Outgoing {
    /// The payloads, one after the other, with those already sent before them, and room behind.
    bytes: Vec<u8>,
    /// Where the next goes: behind all payloads.
    end: usize,
    /// The runs that they are, with those already sent before them.
    runs: Vec<Run>,
    /// How many of the runs were sent.
    sent_runs: usize,
    /// How many datagrams wait.
    len: usize,
    /// How many bytes of them, with a share for each.
    waiting_len: usize,
    open: Open,
}

/// One datagram, or several in a row that go to one receiver and can be sent joined. It ends where
/// the next begins.
#[derive(Clone, Copy, Debug)]
struct Run {
    receiver: SocketAddr,
    start: usize,
    /// The length of each datagram but the last, which may be shorter.
    segment_len: usize,
}

/// What can be joined to the last run.
#[derive(Clone, Copy, Debug)]
struct Open {
    receiver: SocketAddr,
    /// The length of a datagram of the run.
    len: usize,
    /// Where it must end.
    end: usize,
}

/// What a network may send at once: one datagram, or several that are joined.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    pub(crate) receiver: &'a SocketAddr,
    pub(crate) bytes: &'a [u8],
    /// The length of each datagram but the last, which may be shorter.
    pub(crate) segment_len: usize,
}

impl Default for Outgoing {
    fn default() -> Self {
        Self::new()
    }
}

impl Outgoing {
    /// An empty queue.
    pub const fn new() -> Self {
        let nobody = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0));
        Self {
            bytes: Vec::new(),
            end: 0,
            runs: Vec::new(),
            sent_runs: 0,
            len: 0,
            waiting_len: 0,
            open: Open { receiver: nobody, len: 0, end: 0 },
        }
    }

    /// Puts a datagram to `receiver` at the end.
    #[inline]
    pub fn push(&mut self, receiver: SocketAddr, payload: &[u8]) {
        if !self.join(&receiver, payload) {
            self.push_apart(receiver, payload);
        }
    }

    /// Puts a datagram at the end if it is like the last and there is room for it; says whether. It
    /// is what most datagrams cost, and does no more than it must.
    #[inline]
    pub(crate) fn join(&mut self, receiver: &SocketAddr, payload: &[u8]) -> bool {
        let Open { receiver: last_receiver, len, end } = &self.open;
        let is_alike = payload.len() == *len && receiver == last_receiver;
        self.end < *end && is_alike && self.put(payload)
    }

    /// Puts a payload at the end if there is room for it.
    #[inline(always)]
    fn put(&mut self, payload: &[u8]) -> bool {
        let Self { bytes, end, len, waiting_len, .. } = self;
        // None of these can overflow: they count memory.
        let next = end.wrapping_add(payload.len());
        let Some(room) = bytes.get_mut(*end..next) else { return false };
        *end = next;
        *len = len.wrapping_add(1);
        *waiting_len = waiting_len.wrapping_add(payload.len().wrapping_add(SHARE_LEN));
        // Last, since a call costs less with nothing to do behind it.
        room.copy_from_slice(payload);
        true
    }

    /// As [`push`](Self::push), of one that was not [joined](Self::join).
    #[inline]
    pub(crate) fn push_apart(&mut self, receiver: SocketAddr, payload: &[u8]) {
        let len = payload.len();
        // An empty one cannot be joined: it would vanish. A shorter one is the last.
        let is_joined = (1..=self.open.len).contains(&len)
            && self.end < self.open.end
            && receiver == self.open.receiver;
        if !is_joined {
            self.begin_run(receiver, len);
        } else if len < self.open.len && !planted!(JoinedBehindAShorterOne) {
            self.open.end = 0;
        }
        let end = self.end + len;
        if end > self.bytes.len() {
            self.bytes.resize(end.next_multiple_of(GROWTH_LEN), 0);
        }
        self.put(payload);
    }

    /// A datagram comes that cannot be joined to the last.
    fn begin_run(&mut self, receiver: SocketAddr, len: usize) {
        if self.end > WORTH_MOVING_LEN {
            self.forget_sent();
        }
        let most = match len {
            1..=MAX_SEGMENT_LEN => MAX_SEGMENTS.min(MAX_JOINED_LEN / len),
            _ => 1,
        };
        self.open = Open { receiver, len, end: self.end + most * len };
        self.runs.push(Run { receiver, start: self.end, segment_len: len });
    }

    /// The datagram at the front: to whom, and what.
    pub fn front(&self) -> Option<(SocketAddr, &[u8])> {
        let run = self.runs.get(self.sent_runs)?;
        let len = run.segment_len.min(self.run_len(self.sent_runs));
        Some((run.receiver, &self.bytes[run.start..][..len]))
    }

    /// Removes the datagram at the front, which was sent or given up.
    pub fn pop(&mut self) {
        let run_len = self.run_len(self.sent_runs);
        let Some(run) = self.runs.get_mut(self.sent_runs) else { return };
        let len = run.segment_len;
        if len >= run_len {
            return self.pop_run();
        }
        run.start += len;
        self.len -= 1;
        self.waiting_len -= len + SHARE_LEN;
    }

    /// How many datagrams wait.
    #[inline]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether none waits.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many messages wait, if what can be joined is.
    #[inline]
    pub(crate) const fn runs_len(&self) -> usize {
        self.runs.len() - self.sent_runs
    }

    /// How many bytes wait, with a share for each datagram, since an empty one takes room too.
    #[inline]
    pub const fn waiting_len(&self) -> usize {
        self.waiting_len
    }

    /// How many bytes wait, nothing besides.
    #[inline]
    pub(crate) const fn payload_len(&self) -> usize {
        self.waiting_len - self.len * SHARE_LEN
    }

    /// What waits, in the order it is to be sent: datagrams that can be sent joined as one message
    /// if they may be `joined`, otherwise one by one.
    #[inline]
    pub(crate) fn messages(&self, joined: bool) -> impl Iterator<Item = Message<'_>> {
        let (mut place, mut sent_len) = (self.sent_runs, 0);
        iter::from_fn(move || {
            let run = self.runs.get(place)?;
            let rest = &self.bytes[run.start..][sent_len..self.run_len(place)];
            let len = if joined { rest.len() } else { rest.len().min(run.segment_len) };
            sent_len += len;
            if len == rest.len() {
                (place, sent_len) = (place + 1, 0);
            }
            let bytes = &rest[..len];
            Some(Message { receiver: &run.receiver, bytes, segment_len: run.segment_len })
        })
    }

    /// Removes this many [messages](Self::messages), which were sent.
    #[inline]
    pub(crate) fn pop_messages(&mut self, count: usize, joined: bool) {
        for _ in 0..count {
            if joined { self.pop_run() } else { self.pop() }
        }
    }

    #[inline]
    fn pop_run(&mut self) {
        let run_len = self.run_len(self.sent_runs);
        let Some(run) = self.runs.get(self.sent_runs) else { return };
        let count = if run_len <= run.segment_len { 1 } else { run_len.div_ceil(run.segment_len) };
        self.len -= count;
        self.waiting_len -= run_len + count * SHARE_LEN;
        self.sent_runs += 1;
        if self.sent_runs == self.runs.len() {
            self.runs.clear();
            self.sent_runs = 0;
            self.end = 0;
            self.open.end = 0;
        }
    }

    /// How long the run at this place of the list is; zero if there is none.
    #[inline]
    fn run_len(&self, place: usize) -> usize {
        let end = self.runs.get(place + 1).map_or(self.end, |next| next.start);
        self.runs.get(place).map_or(0, |run| end - run.start)
    }

    /// Moves what waits to the front of its buffers, if that is worth it.
    #[cold]
    fn forget_sent(&mut self) {
        let sent = self.runs.get(self.sent_runs).map_or(0, |run| run.start);
        if sent > WORTH_MOVING_LEN && sent > self.end / 2 {
            self.bytes.copy_within(sent..self.end, 0);
            self.end -= sent;
            self.runs.drain(..self.sent_runs);
            self.sent_runs = 0;
            for run in &mut self.runs {
                run.start -= sent;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    /// The ports, lengths and segment lengths of the messages.
    fn messages(queue: &Outgoing, joined: bool) -> Vec<(u16, usize, usize)> {
        let messages = queue.messages(joined);
        messages
            .map(|message| (message.receiver.port(), message.bytes.len(), message.segment_len))
            .collect()
    }

    fn queue(datagrams: &[(u16, usize)]) -> Outgoing {
        let mut queue = Outgoing::new();
        for (port, len) in datagrams {
            queue.push(address(*port), &vec![7; *len]);
        }
        queue
    }

    #[test]
    fn a_queue_that_is_never_empty_does_not_grow() {
        let mut queue = Outgoing::new();
        queue.push(address(0), &[0; 1000]);
        for port in 1..10_000 {
            queue.push(address(port), &[port.to_le_bytes()[0]; 1000]);
            let (receiver, payload) = queue.front().unwrap();
            assert_eq!(
                (receiver, payload),
                (address(port - 1), [(port - 1).to_le_bytes()[0]; 1000].as_slice())
            );
            queue.pop();
            assert_eq!(queue.waiting_len(), 1000 + SHARE_LEN);
        }
        assert!(queue.bytes.len() <= 2 * WORTH_MOVING_LEN + 2000 + GROWTH_LEN);
        assert!(queue.runs.len() <= 2 * WORTH_MOVING_LEN / 1000 + 2);
    }

    #[test]
    fn equal_datagrams_to_one_receiver_are_one_message() {
        let mut queue = queue(&[(1, 5), (1, 5), (1, 3), (1, 3), (2, 3), (1, 3)]);
        let joined = [(1, 13, 5), (1, 3, 3), (2, 3, 3), (1, 3, 3)];
        assert_eq!(messages(&queue, true), joined, "a shorter one is the last");
        assert_eq!(
            messages(&queue, false),
            [(1, 5, 5), (1, 5, 5), (1, 3, 5), (1, 3, 3), (2, 3, 3), (1, 3, 3)]
        );
        assert_eq!((queue.len(), queue.runs_len(), queue.payload_len()), (6, 4, 22));
        queue.pop_messages(1, true);
        assert_eq!((queue.len(), queue.runs_len(), queue.payload_len()), (3, 3, 9));
    }

    #[test]
    fn what_must_not_be_joined_is_not() {
        let longest = MAX_SEGMENT_LEN;
        for apart in [
            [(1, 3), (1, 5)],
            [(1, 0), (1, 0)],
            [(1, 3), (1, 0)],
            [(1, 3), (2, 3)],
            [(1, longest + 1), (1, longest + 1)],
        ] {
            assert_eq!(messages(&queue(&apart), true).len(), 2, "{apart:?}");
        }
        assert_eq!(messages(&queue(&[(1, longest), (1, longest)]), true).len(), 1);
    }

    #[test]
    fn no_message_is_longer_than_a_system_takes() {
        let queue = queue(&[[(1, 1); 65].as_slice(), &[(2, 1452); 50], &[(3, 1020); 64]].concat());
        let expected = [
            (1, 64, 1),
            (1, 1, 1),
            (2, 45 * 1452, 1452),
            (2, 5 * 1452, 1452),
            (3, 64 * 1020, 1020),
        ];
        assert_eq!(messages(&queue, true), expected);
    }

    #[test]
    fn datagrams_leave_in_order_however_they_are_removed() {
        let sizes = [(1, 4), (1, 4), (1, 2), (2, 0), (2, 0), (1, 4), (1, 4)];
        for ways in 0..1 << sizes.len() {
            let mut queue = queue(&sizes);
            let mut left = sizes.as_slice();
            let (mut payload_len, mut turn) = (18, 0);
            while let Some((receiver, payload)) = queue.front() {
                assert_eq!((receiver.port(), payload.len()), left[0]);
                let joined = ways & (1 << turn) != 0;
                let message = queue.messages(joined).next().unwrap();
                let count = message.bytes.len().div_ceil(message.segment_len.max(1)).max(1);
                assert!(joined || count == 1);
                queue.pop_messages(1, joined);
                payload_len -= left[..count].iter().map(|(_, len)| len).sum::<usize>();
                left = &left[count..];
                turn += 1;
                assert_eq!((queue.len(), queue.payload_len()), (left.len(), payload_len));
            }
            assert!(left.is_empty() && queue.is_empty() && queue.end == 0);
        }
    }
}
