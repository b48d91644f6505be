//! The write queue: what leaves it is what was put, in order, whatever the kernel took of it.

use bytes::Bytes;
use windlass::Output;
use windlass::parts::WriteQueue;

use super::choices::Choices;

const MAX_STEPS: usize = 300;
/// No more slices than this go into a call.
const MAX_SLICES: usize = 64;
/// When so much waits, nothing is added before some has left.
const MAX_LEN: usize = 1 << 20;

/// What waits, with the last number put, so that no two bytes near each other are alike.
#[derive(Default)]
struct Model {
    waits: Vec<u8>,
    last: u8,
    /// How many bytes were put since nothing waited, and in how many pieces.
    put: (usize, usize),
}

impl Model {
    /// Bytes unlike those before them.
    fn make(&mut self, len: usize) -> Vec<u8> {
        let bytes = (0..len).map(|_| {
            self.last = if self.last == 250 { 0 } else { self.last + 1 };
            self.last
        });
        bytes.collect()
    }

    fn put(&mut self, bytes: &[u8]) {
        self.waits.extend_from_slice(bytes);
        self.put = (self.put.0 + bytes.len(), self.put.1 + 1);
    }

    /// Something is sent by a handler, of which the kernel takes the first part at once.
    fn send(&mut self, queue: &mut WriteQueue, output: &mut Output, choices: &mut Choices<'_>) {
        for _ in 0..choices.below(6) {
            let len = any_len(choices);
            let bytes = self.make(len);
            match choices.below(3) {
                0 => output.put(&bytes),
                1 => {
                    let (first, second) = bytes.split_at(len / 3);
                    output.put_pair(first, second);
                }
                _ => output.put_bytes(Bytes::from(bytes)),
            }
        }
        let all = output.to_vec();
        let sent = match choices.below(3) {
            _ if !queue.is_empty() || all.is_empty() => 0,
            0 => 0,
            1 => choices.below(all.len()),
            _ => any_len(choices).min(all.len() - 1),
        };
        queue.append_rest(output, sent);
        assert!(output.is_empty() && output.to_vec().is_empty());
        self.put(&all[sent..]);
    }

    /// The kernel is offered some, and takes some of that.
    fn leave(&mut self, queue: &mut WriteQueue, choices: &mut Choices<'_>) {
        let budget = choices.pick(&[usize::MAX, 1, 2, 100, 4096, 30_000, 1 << 17]);
        let slices = queue.offer(budget);
        assert!(slices.len() <= MAX_SLICES && slices.iter().all(|slice| !slice.is_empty()));
        let offered = slices.concat();
        assert!(offered.len() <= budget && self.waits.starts_with(&offered), "what comes first");
        let is_all = offered.len() == self.waits.len().min(budget);
        assert!(is_all || slices.len() == MAX_SLICES, "as much as fits a call");
        let taken = if choices.chance(50) { offered.len() } else { any_len(choices) };
        let taken = taken.min(offered.len());
        queue.consume(taken);
        self.waits.drain(..taken);
    }

    fn check(&mut self, queue: &WriteQueue) {
        assert_eq!((queue.len(), queue.is_empty()), (self.waits.len(), self.waits.is_empty()));
        assert!(queue.held_len() >= queue.len(), "what waits is held");
        if queue.is_empty() {
            assert_eq!(queue.held_len(), 0);
            self.put = (0, 0);
        }
        // Room for copies grows by doubling, and a part takes some.
        let (bytes, pieces) = self.put;
        assert!(queue.held_len() <= 2 * bytes + 64 * pieces, "{} held", queue.held_len());
    }
}

/// A length, of any order up to what makes a difference.
fn any_len(choices: &mut Choices<'_>) -> usize {
    let near = choices.pick(&[0, 1, 7, 64, 256, 1000, 4096, 16_384, 40_000]);
    (near + choices.below(5)).saturating_sub(2)
}

pub(crate) fn write_queue(bytes: &[u8]) {
    let choices = &mut Choices::new(bytes);
    let (mut queue, mut output, mut model) =
        (WriteQueue::default(), Output::new(), Model::default());
    for _ in 0..MAX_STEPS {
        match choices.below(6) {
            _ if choices.is_empty() => break,
            0 | 1 if queue.len() < MAX_LEN => model.send(&mut queue, &mut output, choices),
            2 if queue.len() < MAX_LEN => {
                let len = any_len(choices);
                let shared = model.make(len);
                model.put(&shared);
                queue.append_shared(Bytes::from(shared));
            }
            3 if queue.len() < MAX_LEN => {
                let len = any_len(choices);
                let copied = model.make(len);
                model.put(&copied);
                queue.append_copy(&copied);
            }
            _ => model.leave(&mut queue, choices),
        }
        model.check(&queue);
    }
    while !queue.is_empty() {
        let offered = queue.offer(usize::MAX).concat();
        assert!(!offered.is_empty() && model.waits.starts_with(&offered));
        queue.consume(offered.len());
        model.waits.drain(..offered.len());
    }
    model.check(&queue);
}
