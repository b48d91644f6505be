//! The write queue: output is put behind what waits, and leaves in portions.

use bytes::Bytes;
use windlass::Output;
use windlass::parts::WriteQueue;

use crate::Work;

/// What a handler sends at a time.
const ANSWER: [u8; 64] = [b'x'; 64];
/// The length of what is sent to many, and so is not copied.
const SHARED_LEN: usize = 1024;
/// How many bytes the kernel takes at a time: not a whole number of messages.
const PORTION_LEN: usize = 10_000;

/// To put so many answers, one at a time, into the queue, which joins them.
pub fn push_copies(count: usize) -> Work {
    let (mut queue, mut output) = (WriteQueue::default(), Output::new());
    Box::new(move || {
        for _ in 0..count {
            output.put(&ANSWER);
            queue.append(&mut output);
        }
        queue.len() / ANSWER.len()
    })
}

/// To put so many messages into the queue, each as a part of its own.
pub fn push_shared(count: usize) -> Work {
    let message = Bytes::from(vec![b'x'; SHARED_LEN]);
    let mut queue = WriteQueue::default();
    Box::new(move || {
        push(&mut queue, &message, count);
        queue.len() / SHARED_LEN
    })
}

/// To take so many messages from the queue, in portions.
pub fn advance_shared(count: usize) -> Work {
    let message = Bytes::from(vec![b'x'; SHARED_LEN]);
    let mut queue = WriteQueue::default();
    push(&mut queue, &message, count);
    Box::new(move || {
        while !queue.is_empty() {
            queue.advance(PORTION_LEN);
        }
        count
    })
}

fn push(queue: &mut WriteQueue, message: &Bytes, count: usize) {
    for _ in 0..count {
        queue.append_shared(message.clone());
    }
}
