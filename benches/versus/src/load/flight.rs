//! The datagrams that one flow has in flight. They may come back in any order, and be lost.

use super::layout::{Layout, stamped};
use super::stretch::Tally;
use crate::trouble::Trouble;

/// Each datagram has a slot, from which it is sent and with which its reply is compared; the slot
/// is free once its datagram and all before it are answered.
pub(super) struct Flight {
    layout: Layout,
    flow: u32,
    payload_len: usize,
    slots: Box<[u8]>,
    /// When the datagram in each slot was issued; none once it is answered.
    since: Box<[Option<u64>]>,
    issued: u64,
    /// All before this one are answered.
    oldest: u64,
    resent_at: u64,
    /// So many replies may come twice, as their datagrams were sent twice.
    doubles: u64,
}

impl Flight {
    pub(super) fn new(layout: Layout, flow: u32, in_flight: u32) -> Self {
        Self {
            layout,
            flow,
            payload_len: layout.wire_len(),
            slots: layout.slots(flow, in_flight),
            since: vec![None; in_flight as usize].into_boxed_slice(),
            issued: 0,
            oldest: 0,
            resent_at: 0,
            doubles: 0,
        }
    }

    /// How many more can be issued.
    pub(super) fn room(&self) -> u64 {
        self.since.len() as u64 - self.outstanding()
    }

    /// How many are between the oldest that is not answered and the newest.
    pub(super) fn outstanding(&self) -> u64 {
        self.issued - self.oldest
    }

    /// Issues at most so many that lie one after the other, and gives their bytes to be sent.
    pub(super) fn issue(&mut self, most: u64, now: u64) -> &[u8] {
        let first = self.slot_of(self.issued);
        let count = usize::try_from(most.min(self.room())).unwrap_or(usize::MAX);
        let end = self.since.len().min(first + count);
        for slot in first..end {
            let payload = &mut self.slots[slot * self.payload_len..(slot + 1) * self.payload_len];
            self.layout.stamp(payload, self.flow, self.issued);
            self.since[slot] = Some(now);
            self.issued += 1;
        }
        &self.slots[first * self.payload_len..end * self.payload_len]
    }

    /// Compares a datagram that came with the one that was sent.
    ///
    /// # Errors
    /// If it is not one of this flow that is awaited, or not the same.
    pub(super) fn note_reply(
        &mut self,
        datagram: &[u8],
        now: u64,
        tally: &mut Tally,
    ) -> Result<(), Trouble> {
        let number = match stamped(datagram) {
            Some((flow, number)) if flow == u64::from(self.flow) => number,
            _ => return Err(self.trouble("a datagram came that it never sent")),
        };
        if number >= self.issued {
            return Err(self.trouble("a datagram came that it never sent"));
        }
        let slot = self.slot_of(number);
        let Some(since) = self.since[slot].filter(|_| number >= self.oldest) else {
            self.doubles = (self.doubles.checked_sub(1))
                .ok_or_else(|| self.trouble("a datagram came back twice"))?;
            return Ok(());
        };
        if datagram != self.payload(slot) {
            return Err(self.trouble("wrong bytes came back"));
        }
        tally.histogram.note(now.saturating_sub(since), 1);
        tally.replies += 1;
        self.since[slot] = None;
        while self.oldest < self.issued && self.since[self.slot_of(self.oldest)].is_none() {
            self.oldest += 1;
        }
        Ok(())
    }

    /// Sends what was not answered for so long again, and says how many that were.
    ///
    /// # Errors
    /// What `send` gives.
    pub(super) fn resend(
        &mut self,
        now: u64,
        patience: u64,
        mut send: impl FnMut(&[u8]) -> Result<(), Trouble>,
    ) -> Result<u64, Trouble> {
        if now.saturating_sub(self.resent_at) < patience {
            return Ok(0);
        }
        let mut resent = 0;
        for number in self.oldest..self.issued {
            let slot = self.slot_of(number);
            if self.since[slot].is_some_and(|since| now.saturating_sub(since) >= patience) {
                send(self.payload(slot))?;
                resent += 1;
            }
        }
        if resent > 0 {
            self.resent_at = now;
            self.doubles += resent;
        }
        Ok(resent)
    }

    fn payload(&self, slot: usize) -> &[u8] {
        &self.slots[slot * self.payload_len..(slot + 1) * self.payload_len]
    }

    #[expect(clippy::cast_possible_truncation, reason = "the remainder fits")]
    fn slot_of(&self, number: u64) -> usize {
        (number % self.since.len() as u64) as usize
    }

    fn trouble(&self, what: &str) -> Trouble {
        Trouble::new(format!("flow {}: {what}, with {} sent so far", self.flow, self.issued))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Protocol;

    const LEN: usize = PAYLOAD_LEN as usize;
    const PAYLOAD_LEN: u32 = 32;

    fn flight(flow: u32) -> Flight {
        Flight::new(Layout::new(Protocol::Datagram, PAYLOAD_LEN), flow, 4)
    }

    fn sent(flight: &mut Flight, most: u64) -> Vec<Vec<u8>> {
        flight.issue(most, 0).chunks(LEN).map(<[u8]>::to_vec).collect()
    }

    fn reply(flight: &mut Flight, datagram: &[u8]) -> Result<u64, Trouble> {
        let mut tally = Tally::new();
        flight.note_reply(datagram, 0, &mut tally).map(|()| tally.replies)
    }

    #[test]
    fn replies_are_right_in_any_order() {
        let mut flight = flight(7);
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]] {
            let datagrams = sent(&mut flight, 9);
            assert_eq!((datagrams.len(), flight.room()), (4, 0));
            for at in order {
                assert_eq!(reply(&mut flight, &datagrams[at]), Ok(1));
            }
            assert_eq!(flight.room(), 4);
        }
    }

    #[test]
    fn a_slot_is_not_used_again_before_its_reply_came() {
        let mut flight = flight(7);
        let first = sent(&mut flight, 4);
        for datagram in &first[1..] {
            reply(&mut flight, datagram).unwrap();
        }
        assert_eq!(flight.room(), 0);
        assert!(sent(&mut flight, 4).is_empty());
        reply(&mut flight, &first[0]).unwrap();
        assert_eq!(flight.room(), 4);
    }

    #[test]
    fn a_flipped_bit_anywhere_is_noticed() {
        for at in 0..LEN {
            let mut flight = flight(7);
            let mut datagram = sent(&mut flight, 1).remove(0);
            datagram[at] ^= 1 << (at % 8);
            assert!(reply(&mut flight, &datagram).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_datagram_cut_short_or_grown_is_noticed() {
        let mut flight = flight(7);
        let datagram = sent(&mut flight, 1).remove(0);
        for len in [0, 7, 8, LEN - 1] {
            assert!(reply(&mut flight, &datagram[..len]).is_err());
        }
        assert!(reply(&mut flight, &[&datagram[..], &[0]].concat()).is_err());
        assert_eq!(reply(&mut flight, &datagram), Ok(1));
    }

    #[test]
    fn a_datagram_of_another_flow_is_noticed() {
        let (mut one, mut other) = (flight(1), flight(2));
        sent(&mut one, 1);
        let foreign = sent(&mut other, 1).remove(0);
        assert!(reply(&mut one, &foreign).is_err());
    }

    #[test]
    fn a_datagram_may_come_twice_only_if_it_was_sent_twice() {
        let mut flight = flight(1);
        let datagrams = sent(&mut flight, 2);
        reply(&mut flight, &datagrams[0]).unwrap();
        assert!(reply(&mut flight, &datagrams[0]).is_err());
        let mut again = Vec::new();
        let mut resend = |flight: &mut Flight, now| {
            flight.resend(now, 100, |datagram| {
                again.push(datagram.to_vec());
                Ok(())
            })
        };
        assert_eq!(resend(&mut flight, 99), Ok(0));
        assert_eq!(resend(&mut flight, 100), Ok(1));
        assert_eq!(resend(&mut flight, 199), Ok(0));
        assert_eq!(again, datagrams[1..]);
        assert_eq!(reply(&mut flight, &datagrams[1]), Ok(1));
        assert_eq!(reply(&mut flight, &datagrams[1]), Ok(0));
        assert!(reply(&mut flight, &datagrams[1]).is_err());
    }
}
