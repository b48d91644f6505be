//! How other threads reach the loop: a bounded queue, a request to end, and one wake for a burst.
//!
//! # The protocol
//!
//! A sender puts its item into the queue, *then* raises the flag, and if the flag was down, wakes
//! the loop's poll: one system call, however many items come before the loop looks. The loop
//!
//! 1. lowers the flag by [`Mailbox::take_wake`] after each poll that told of a wake, *then*
//! 2. takes items by [`Mailbox::next`], as many as its budget allows, and
//! 3. does not sleep while [`Mailbox::may_have_more`]: it comes back to step 2 by itself.
//!
//! No item sleeps. Every item is followed by its sender's raising of the flag, and after that the
//! loop lowers it at least once: either the flag was down and a wake is on its way to the loop, or
//! it was up, and the wake of whoever raised it is. The lowering comes after the raising, so the
//! loop sees the item; and after a lowering the loop does not sleep before it has found the queue
//! empty. It would be wrong to lower the flag after the queue was found empty: an item that came in
//! between would have raised nothing.
//!
//! Raising and lowering are both `swap`s, which acquire and release. A swap reads what the swap
//! before it wrote, and thereby sees whatever was done before that: when the loop lowers a flag
//! that two senders have raised, it sees the items of both. A mere store would see neither.
//!
//! A wake may come for which there is nothing to do: the items were taken before it came. A wake
//! that the system merges with an earlier one which the loop has not heard of yet is not lost.

use std::task::Waker;

use crate::sync::Arc;
use crate::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use crate::sync::mpsc::{Receiver, SendError, SyncSender, TrySendError, sync_channel};

/// What a signal, the embedding program or another thread asks of the loop; the greater, the more
/// urgent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub(crate) enum Request {
    /// Accept nobody, finish, close.
    Drain = 1,
    /// Close everything now.
    Stop = 2,
}

/// The item did not get into the queue, and is given back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refused<T> {
    /// There is no room at the moment.
    Full(T),
    /// The loop has ended.
    Closed(T),
}

/// The loop has ended, and the item is given back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Closed<T>(pub(crate) T);

/// The loop's end. Dropping it closes it, like [`close`](Self::close).
pub(crate) struct Mailbox<T> {
    queue: Receiver<Option<T>>,
    /// That from which all senders are made.
    sender: Sender<T>,
    capacity: usize,
    /// The queue was not found empty since the flag was lowered.
    may_have_more: bool,
}

/// The end of all other threads.
pub(crate) struct Sender<T> {
    /// `None` is a plug, which takes up a place that no item shall have any more.
    queue: SyncSender<Option<T>>,
    shared: Arc<Shared>,
}

/// What both ends know.
struct Shared {
    waker: Waker,
    /// The flag: up from the first item of a burst until the loop turns to it.
    is_woken: AtomicBool,
    /// The greatest [`Request`] that the loop did not take yet; 0 is none.
    requested: AtomicU8,
    /// Only ever a hint, and so never ordered with anything: the last word has the queue.
    is_closed: AtomicBool,
}

impl<T: Send> Mailbox<T> {
    /// The memory of one place: an item, and what the queue notes of it.
    pub(crate) const PLACE_LEN: usize = size_of::<Option<T>>() + size_of::<usize>();

    /// A mailbox with room for `capacity` items, whose senders wake the loop by `waker`.
    ///
    /// # Panics
    ///
    /// If `capacity` is zero.
    pub(crate) fn new(capacity: usize, waker: Waker) -> Self {
        assert!(capacity > 0, "a mailbox has room for an item");
        let (sender, queue) = sync_channel(capacity);
        let shared = Shared {
            waker,
            is_woken: AtomicBool::new(false),
            requested: AtomicU8::new(0),
            is_closed: AtomicBool::new(false),
        };
        let sender = Sender { queue: sender, shared: Arc::new(shared) };
        Self { queue, sender, capacity, may_have_more: false }
    }

    /// A new sender, which can be cloned.
    pub(crate) fn sender(&self) -> Sender<T> {
        self.sender.clone()
    }

    /// To be called after each poll that told of a wake, before anything is taken: from now on,
    /// senders wake again. Gives the greatest request since the last call.
    #[must_use = "a request is given only once"]
    pub(crate) fn take_wake(&mut self) -> Option<Request> {
        self.sender.shared.is_woken.swap(planted!(FlagStaysUp), Ordering::AcqRel);
        self.may_have_more = !planted!(RestOfTheQueueSleeps);
        // Ordered by the flag, as the items are.
        match self.sender.shared.requested.swap(0, Ordering::Relaxed) {
            0 => None,
            level if level == Request::Drain as u8 => Some(Request::Drain),
            _ => Some(Request::Stop),
        }
    }

    /// Whether there may be something to take of which no wake will tell: the loop must not sleep.
    pub(crate) const fn may_have_more(&self) -> bool {
        self.may_have_more
    }

    /// Takes the longest waiting item; each sender's come in the order in which it sent them.
    ///
    /// Should a sender's thread be held up within the few instructions that put an item into the
    /// queue, the loop waits for it; an item that is on its way is not "nothing".
    pub(crate) fn next(&mut self) -> Option<T> {
        let next = self.queue.try_recv().ok().flatten();
        if next.is_none() {
            self.may_have_more = false;
        }
        next
    }

    /// Ends it: from now on items are given back, also to those who wait for room. Says how many
    /// had been accepted and were never taken; they are dropped.
    ///
    /// Waits for no other thread to do anything.
    pub(crate) fn close(self) -> usize {
        self.sender.shared.is_closed.store(true, Ordering::Relaxed);
        let mut dropped = 0;
        // What is accepted between the last look at the queue and its end would be dropped without
        // being counted. So the queue is filled with plugs first, until there is nothing else in
        // it and no room. Each sender takes up at most one more place before it sees the hint.
        let mut plugs = 0;
        while plugs < self.capacity {
            if self.sender.queue.try_send(None).is_ok() {
                plugs += 1;
                continue;
            }
            match self.queue.try_recv() {
                Ok(Some(_)) => dropped += 1,
                Ok(None) => plugs -= 1,
                // Somebody who waited for room is about to take what there is.
                Err(_) => {}
            }
        }
        dropped
    }
}

impl<T> Drop for Mailbox<T> {
    fn drop(&mut self) {
        self.sender.shared.is_closed.store(true, Ordering::Relaxed);
    }
}

impl<T: Send> Sender<T> {
    /// Gives the loop an item, if there is room.
    ///
    /// # Errors
    ///
    /// Gives the item back if there is no room or no loop. An item that was accepted is dropped if
    /// the loop ends before it comes to it.
    pub(crate) fn try_send(&self, item: T) -> Result<(), Refused<T>> {
        if self.is_closed() {
            return Err(Refused::Closed(item));
        }
        self.queue.try_send(Some(item)).map_err(|refused| match refused {
            TrySendError::Full(item) => Refused::Full(returned(item)),
            TrySendError::Disconnected(item) => Refused::Closed(returned(item)),
        })?;
        self.wake();
        Ok(())
    }

    /// Gives the loop an item, and waits for room if there is none. Must not be called on the
    /// loop's own thread, which would wait for itself.
    ///
    /// # Errors
    ///
    /// Gives the item back if there is no loop, or it ends while there is no room. An item that was
    /// accepted is dropped if the loop ends before it comes to it.
    pub(crate) fn send(&self, item: T) -> Result<(), Closed<T>> {
        if self.is_closed() {
            return Err(Closed(item));
        }
        self.queue.send(Some(item)).map_err(|SendError(item)| Closed(returned(item)))?;
        self.wake();
        Ok(())
    }

    /// Asks the loop to end, for which there is always room. What was asked for before is never
    /// taken back by less.
    ///
    /// # Errors
    ///
    /// If the loop has ended.
    pub(crate) fn request(&self, request: Request) -> Result<(), Closed<Request>> {
        if self.is_closed() {
            return Err(Closed(request));
        }
        self.shared.requested.fetch_max(request as u8, Ordering::Relaxed);
        self.wake();
        Ok(())
    }

    /// Whether the loop has ended. If not, it may do so in this very moment.
    pub(crate) fn is_closed(&self) -> bool {
        self.shared.is_closed.load(Ordering::Relaxed)
    }

    /// Wakes the loop, unless somebody has whom it did not answer yet.
    fn wake(&self) {
        if !self.shared.is_woken.swap(true, Ordering::AcqRel) {
            self.shared.waker.wake_by_ref();
        }
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone(), shared: Arc::clone(&self.shared) }
    }
}

/// The item that the queue gives back to its sender.
fn returned<T>(item: Option<T>) -> T {
    item.expect("senders send no plugs")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    use super::*;
    use crate::sync::check;

    /// Counts the wakes.
    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Count {
        fn wakes(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn mailbox<T: Send>(capacity: usize) -> (Mailbox<T>, Sender<T>, Arc<Count>) {
        let count = Arc::new(Count::default());
        let mailbox = Mailbox::new(capacity, Waker::from(Arc::clone(&count)));
        let sender = mailbox.sender();
        (mailbox, sender, count)
    }

    #[test]
    fn a_burst_wakes_the_loop_once() {
        check(|| {
            let (mut mailbox, sender, count) = mailbox(1000);
            for burst in 1..=3 {
                for item in 0..1000 {
                    sender.clone().try_send(item).unwrap();
                }
                assert_eq!(count.wakes(), burst);
                assert_eq!(mailbox.take_wake(), None);
                assert!((0..1000).all(|item| mailbox.next() == Some(item)));
                assert_eq!(mailbox.next(), None);
            }
        });
    }

    #[test]
    fn what_a_budget_left_is_known_without_a_wake() {
        check(|| {
            let (mut mailbox, sender, count) = mailbox(2);
            assert!(!mailbox.may_have_more());
            sender.try_send(1).unwrap();
            assert_eq!(mailbox.take_wake(), None);
            assert_eq!(mailbox.next(), Some(1));
            assert!(mailbox.may_have_more(), "nobody has seen that it is empty");
            assert_eq!(mailbox.next(), None);
            assert!(!mailbox.may_have_more());
            sender.send(2).unwrap();
            assert_eq!(count.wakes(), 2);
        });
    }

    #[test]
    fn a_full_mailbox_gives_the_item_back() {
        check(|| {
            let (mut mailbox, sender, _) = mailbox(2);
            sender.try_send("one").unwrap();
            sender.try_send("two").unwrap();
            assert_eq!(sender.try_send("three"), Err(Refused::Full("three")));
            assert_eq!(mailbox.next(), Some("one"));
            sender.try_send("three").unwrap();
            assert_eq!(mailbox.next(), Some("two"));
            assert_eq!(mailbox.next(), Some("three"));
        });
    }

    #[test]
    fn a_request_needs_no_room_and_is_not_taken_back_by_less() {
        check(|| {
            let (mut mailbox, sender, count) = mailbox(1);
            sender.try_send(()).unwrap();
            sender.request(Request::Stop).unwrap();
            sender.request(Request::Drain).unwrap();
            assert_eq!(count.wakes(), 1);
            assert_eq!(mailbox.take_wake(), Some(Request::Stop));
            assert_eq!(mailbox.take_wake(), None);
            sender.request(Request::Drain).unwrap();
            assert_eq!(count.wakes(), 2);
            assert_eq!(mailbox.take_wake(), Some(Request::Drain));
        });
    }

    #[test]
    fn whoever_sends_to_a_loop_that_ended_gets_everything_back() {
        check(|| {
            for is_told in [true, false] {
                let (mailbox, sender, count) = mailbox(4);
                assert!(!sender.is_closed());
                if is_told {
                    assert_eq!(mailbox.close(), 0);
                } else {
                    drop(mailbox);
                }
                assert!(sender.is_closed());
                assert_eq!(sender.try_send(1), Err(Refused::Closed(1)));
                assert_eq!(sender.send(2), Err(Closed(2)));
                assert_eq!(sender.request(Request::Stop), Err(Closed(Request::Stop)));
                assert_eq!(count.wakes(), 0);
            }
        });
    }

    #[test]
    fn what_was_accepted_and_never_taken_is_counted_and_dropped() {
        check(|| {
            let item = Arc::new(());
            let (mut mailbox, sender, _) = mailbox(3);
            for _ in 0..3 {
                sender.try_send(Arc::clone(&item)).unwrap();
            }
            assert!(mailbox.next().is_some());
            assert_eq!(mailbox.close(), 2);
            assert_eq!(Arc::strong_count(&item), 1);
        });
    }
}
