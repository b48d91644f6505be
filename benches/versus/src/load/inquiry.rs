//! The DNS questions that one socket has in flight, told apart by their ids.

use super::stretch::Tally;
use crate::trouble::Trouble;

/// Where the parts of a message are (RFC 1035, section 4.1.1).
const ID_LEN: usize = 2;
const FLAGS: usize = 2;
const ANSWERS: usize = 6;
const HEADER_LEN: usize = 12;
/// A response, and the code of what is wrong with it if it is not zero.
const IS_RESPONSE: u8 = 0x80;
const IS_TRUNCATED: u8 = 0x02;
const CODE: u8 = 0x0f;

/// All questions, and the answers to those that are learned; both have any id.
pub(super) struct Learned {
    questions: Vec<Vec<u8>>,
    answers: Vec<Vec<u8>>,
}

impl Learned {
    pub(super) fn new(questions: Vec<Vec<u8>>) -> Self {
        let answers = vec![Vec::new(); questions.len()];
        Self { questions, answers }
    }

    pub(super) fn len(&self) -> usize {
        self.questions.len()
    }

    /// The question, with its number as its id.
    #[expect(clippy::cast_possible_truncation, reason = "there are fewer than ids")]
    pub(super) fn question(&mut self, number: usize) -> &[u8] {
        with_id(&mut self.questions[number], number as u16)
    }

    /// Learns the answer to a question that had its number as its id, and gives that.
    ///
    /// # Errors
    /// If it is no answer, or not the same as before.
    pub(super) fn learn(&mut self, message: &[u8]) -> Result<usize, Trouble> {
        let number = usize::from(id_of(message).unwrap_or(u16::MAX));
        let Some(question) = self.questions.get(number) else {
            return Err(Trouble::new("an answer came to a question that nobody asked"));
        };
        let asked = &question[HEADER_LEN..];
        let repeated = message.get(HEADER_LEN..question.len());
        let is_answer = repeated == Some(asked)
            && message[FLAGS] & (IS_RESPONSE | IS_TRUNCATED) == IS_RESPONSE
            && message[FLAGS + 1] & CODE == 0
            && message[ANSWERS..ANSWERS + 2] != [0, 0];
        if !is_answer {
            return Err(Trouble::new(format!("question {number} was not answered: {message:x?}")));
        }
        let known = &mut self.answers[number];
        if !known.is_empty() && known[ID_LEN..] != message[ID_LEN..] {
            return Err(Trouble::new(format!("question {number} was answered in two ways")));
        }
        *known = message.to_vec();
        Ok(number)
    }
}

fn with_id(message: &mut [u8], id: u16) -> &[u8] {
    message[..ID_LEN].copy_from_slice(&id.to_be_bytes());
    message
}

fn id_of(message: &[u8]) -> Option<u16> {
    message.first_chunk().map(|id| u16::from_be_bytes(*id))
}

/// One question in flight.
#[derive(Clone, Copy, Default)]
struct Slot {
    /// The ids of a slot are as far from each other as there are slots.
    id: u16,
    question: usize,
    since: Option<u64>,
}

/// What one socket asks: each socket all questions, from another one on.
pub(super) struct Inquiry {
    slots: Box<[Slot]>,
    free: Vec<u16>,
    next: usize,
    /// So many answers may come twice, as their questions were asked twice.
    doubles: u64,
}

/// From one question of a socket to its next: it has no divisor in common with their number.
const STEP: usize = 7;

impl Inquiry {
    /// # Errors
    /// If ids could not be told apart with so many in flight.
    pub(super) fn new(number: u32, in_flight: u32) -> Result<Self, Trouble> {
        if !in_flight.is_power_of_two() || in_flight > 4_096 {
            return Err(Trouble::new("so many questions cannot be in flight: 1, 2, 4 … 4096 can"));
        }
        #[expect(clippy::cast_possible_truncation, reason = "it is at most 4,096")]
        let free: Vec<u16> = (0..in_flight as u16).collect();
        let slot = |&id: &u16| Slot { id, ..Slot::default() };
        let slots = free.iter().map(slot).collect();
        Ok(Self { slots, free, next: number as usize, doubles: 0 })
    }

    pub(super) fn outstanding(&self) -> u64 {
        (self.slots.len() - self.free.len()) as u64
    }

    /// How many more can be asked.
    pub(super) fn room(&self) -> u64 {
        self.free.len() as u64
    }

    /// The next question.
    ///
    /// # Panics
    /// If there is no room for it.
    pub(super) fn issue<'a>(&mut self, learned: &'a mut Learned, now: u64) -> &'a [u8] {
        let slot = usize::from(self.free.pop().expect("there is room, as was asked before"));
        let slots_len = self.slots.len();
        let slot = &mut self.slots[slot];
        #[expect(clippy::cast_possible_truncation, reason = "it is at most 4,096")]
        let next_id = slot.id.wrapping_add(slots_len as u16);
        *slot = Slot { id: next_id, question: self.next, since: Some(now) };
        self.next = (self.next + STEP) % learned.len();
        with_id(&mut learned.questions[slot.question], next_id)
    }

    /// Compares what came with the answer that was learned.
    ///
    /// # Errors
    /// If it is another, or to nothing that was asked.
    pub(super) fn note_answer(
        &mut self,
        message: &[u8],
        learned: &Learned,
        now: u64,
        tally: &mut Tally,
    ) -> Result<(), Trouble> {
        let id = id_of(message).ok_or_else(|| Trouble::new("what came is no DNS message"))?;
        let at = usize::from(id) % self.slots.len();
        let slot = &mut self.slots[at];
        let Some(since) = slot.since.filter(|_| slot.id == id) else {
            let without = "an answer came to a question that nobody asked, or a second time";
            self.doubles = self.doubles.checked_sub(1).ok_or_else(|| Trouble::new(without))?;
            return Ok(());
        };
        if message[ID_LEN..] != learned.answers[slot.question][ID_LEN..] {
            let question = slot.question;
            return Err(Trouble::new(format!("wrong bytes came back to question {question}")));
        }
        slot.since = None;
        #[expect(clippy::cast_possible_truncation, reason = "it is at most 4,096")]
        self.free.push(at as u16);
        tally.histogram.note(now.saturating_sub(since), 1);
        tally.replies += 1;
        Ok(())
    }

    /// Of what was not answered for so long, the ids.
    pub(super) fn lost(&self, now: u64, patience: u64) -> Vec<u16> {
        let is_lost =
            |slot: &&Slot| slot.since.is_some_and(|since| now.saturating_sub(since) >= patience);
        self.slots.iter().filter(is_lost).map(|slot| slot.id).collect()
    }

    /// The question of this id again.
    pub(super) fn again<'a>(&mut self, id: u16, learned: &'a mut Learned, now: u64) -> &'a [u8] {
        self.doubles += 1;
        let at = usize::from(id) % self.slots.len();
        self.slots[at].since = Some(now);
        with_id(&mut learned.questions[self.slots[at].question], id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zone;

    /// Answers as a server would that has one address for all.
    fn answer(question: &[u8]) -> Vec<u8> {
        let mut answer =
            [question, &[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 10, 0, 0, 1]].concat();
        answer[FLAGS] = IS_RESPONSE;
        answer[ANSWERS + 1] = 1;
        answer
    }

    fn learned() -> Learned {
        let mut learned = Learned::new(zone::questions());
        for number in 0..learned.len() {
            let answer = answer(learned.question(number));
            assert_eq!(learned.learn(&answer), Ok(number));
        }
        learned
    }

    fn note(inquiry: &mut Inquiry, learned: &Learned, message: &[u8]) -> Result<u64, Trouble> {
        let mut tally = Tally::new();
        inquiry.note_answer(message, learned, 5, &mut tally).map(|()| tally.replies)
    }

    #[test]
    fn answers_are_right_in_any_order() {
        let mut learned = learned();
        let mut inquiry = Inquiry::new(0, 4).unwrap();
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]] {
            let asked: Vec<Vec<u8>> =
                (0..4).map(|_| inquiry.issue(&mut learned, 0).to_vec()).collect();
            assert_eq!((inquiry.room(), inquiry.outstanding()), (0, 4));
            for at in order {
                assert_eq!(note(&mut inquiry, &learned, &answer(&asked[at])), Ok(1));
            }
        }
    }

    #[test]
    fn every_question_is_asked_in_turn() {
        let mut learned = learned();
        let mut inquiry = Inquiry::new(3, 4).unwrap();
        let mut asked = std::collections::BTreeSet::new();
        for _ in 0..learned.len() {
            let question = inquiry.issue(&mut learned, 0).to_vec();
            assert_eq!(note(&mut inquiry, &learned, &answer(&question)), Ok(1));
            asked.insert(question[HEADER_LEN..].to_vec());
        }
        assert_eq!(asked.len(), learned.len());
    }

    #[test]
    fn a_wrong_or_a_second_answer_is_noticed() {
        let mut learned = learned();
        let mut inquiry = Inquiry::new(0, 4).unwrap();
        let right = answer(inquiry.issue(&mut learned, 0));
        for at in 0..right.len() {
            let mut wrong = right.clone();
            wrong[at] ^= 1;
            assert!(note(&mut inquiry, &learned, &wrong).is_err(), "byte {at}");
        }
        assert!(note(&mut inquiry, &learned, &right[..right.len() - 1]).is_err());
        assert_eq!(note(&mut inquiry, &learned, &right), Ok(1));
        assert!(note(&mut inquiry, &learned, &right).is_err());
    }

    #[test]
    fn only_what_was_asked_twice_may_be_answered_twice() {
        let mut learned = learned();
        let mut inquiry = Inquiry::new(0, 4).unwrap();
        let right = answer(inquiry.issue(&mut learned, 0));
        assert!(inquiry.lost(99, 100).is_empty());
        let lost = inquiry.lost(100, 100);
        assert_eq!(lost.len(), 1);
        assert_eq!(answer(inquiry.again(lost[0], &mut learned, 100)), right);
        assert_eq!(note(&mut inquiry, &learned, &right), Ok(1));
        assert_eq!(note(&mut inquiry, &learned, &right), Ok(0));
        assert!(note(&mut inquiry, &learned, &right).is_err());
    }

    #[test]
    fn what_is_no_answer_is_not_learned() {
        let mut learned = Learned::new(zone::questions());
        let right = answer(learned.question(7));
        for (at, byte) in [(1, 8), (FLAGS, 0), (FLAGS, 0x82), (FLAGS + 1, 3), (ANSWERS + 1, 0)] {
            let mut wrong = right.clone();
            wrong[at] = byte;
            assert!(learned.learn(&wrong).is_err(), "byte {at}");
        }
        assert!(learned.learn(&right[..20]).is_err());
        assert_eq!(learned.learn(&right), Ok(7));
        let mut other = right;
        *other.last_mut().unwrap() = 2;
        assert!(learned.learn(&other).is_err());
    }
}
