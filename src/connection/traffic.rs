//! How many bytes have come and gone. Each is counted in four bytes, and what does not fit, which
//! takes 4 GiB, is noted where few connections have anything.

use super::Connection;

/// How often the counters of a connection have begun again from zero.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Carried {
    received: u32,
    sent: u32,
}

impl Connection {
    /// How many bytes were read from the peer.
    pub(crate) fn bytes_received(&self) -> u64 {
        u64::from(self.carried().received) << 32 | u64::from(self.received_low)
    }

    /// How many bytes the kernel took for the peer.
    pub(crate) fn bytes_sent(&self) -> u64 {
        u64::from(self.carried().sent) << 32 | u64::from(self.sent_low)
    }

    /// So many bytes were read.
    #[inline]
    pub(crate) fn count_received(&mut self, len: usize) {
        let (low, carries) = self.received_low.overflowing_add(narrow(len));
        self.received_low = low;
        if carries {
            self.carry(|carried| &mut carried.received);
        }
    }

    /// The kernel took so many bytes.
    #[inline]
    pub(super) fn count_sent_bytes(&mut self, len: usize) {
        let (low, carries) = self.sent_low.overflowing_add(narrow(len));
        self.sent_low = low;
        if carries {
            self.carry(|carried| &mut carried.sent);
        }
    }

    fn carried(&self) -> Carried {
        self.notes().map_or_else(Carried::default, |notes| notes.carried)
    }

    #[cold]
    fn carry(&mut self, counter: fn(&mut Carried) -> &mut u32) {
        let counter = counter(&mut self.notes_or_new().carried);
        *counter = counter.wrapping_add(1);
    }
}

/// No system moves 4 GiB in one call: all of them stop at 2 GiB.
#[expect(clippy::cast_possible_truncation, reason = "see above")]
const fn narrow(len: usize) -> u32 {
    len as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instant::Instant;
    use crate::token::Token;

    #[test]
    fn bytes_are_counted_beyond_four_gigabytes() {
        let peer = "192.0.2.1:9".parse().unwrap();
        let mut connection = Connection::new(Token::connection(0, 0, 0), peer, Instant::START);
        let (mut received, mut sent) = (0, 0);
        for step in 0..20_u32 {
            let (read_len, sent_len) = ((1 << 30) + step * 77, (1 << 31) - 4096 - step);
            connection.count_received(read_len as usize);
            connection.count_sent_bytes(sent_len as usize);
            received += u64::from(read_len);
            sent += u64::from(sent_len);
            assert_eq!((connection.bytes_received(), connection.bytes_sent()), (received, sent));
        }
        assert!(received > 4 << 32 && sent > 8 << 32);
    }

    #[test]
    fn a_counter_that_is_full_to_the_last_bit_carries_nothing() {
        let peer = "192.0.2.1:9".parse().unwrap();
        let mut connection = Connection::new(Token::connection(0, 0, 0), peer, Instant::START);
        connection.count_received(u32::MAX as usize);
        assert_eq!(connection.bytes_received(), u64::from(u32::MAX));
        assert!(connection.apart.is_none());
        connection.count_received(1);
        assert_eq!(connection.bytes_received(), 1 << 32);
    }
}
