//! The mailbox's protocol between the loop and other threads, in all orders in which they can run.
//!
//! This is `src/mailbox.rs` itself, compiled with the types of a model checker in place of those of
//! the standard library. The checker runs a model again and again, each time in another order. A
//! loop that sleeps while there is something for it to do, and a sender that waits for ever, show
//! as a deadlock. It tells of the orders of whole operations only: why the memory orderings are
//! right is said in prose in `src/mailbox.rs`.
//!
//! Where a model is small, all orders are tried. Otherwise, thousands are drawn from a seed, which
//! is always the same; a failure prints the order it happened in, for `shuttle::replay`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::task::{Wake, Waker};

use shuttle::sync::mpsc::{Receiver, SyncSender, sync_channel};
use shuttle::thread;

use mailbox::{Closed, Mailbox, Refused, Request, Sender};
use sync::Arc;

/// Only the tests of the crate itself plant bugs.
macro_rules! planted {
    ($bug:ident) => {
        false
    };
}

#[allow(dead_code, reason = "the engine uses more of it")]
#[path = "../src/mailbox.rs"]
mod mailbox;

/// What the mailbox takes for `crate::sync`.
mod sync {
    pub(crate) use shuttle::sync::{Arc, atomic, mpsc};

    /// Runs one of the mailbox's unit tests, which have one thread and so one order.
    pub(crate) fn check(test: impl Fn() + Send + Sync + 'static) {
        super::check_all(test);
    }
}

/// Tries all orders.
fn check_all(model: impl Fn() + Send + Sync + 'static) {
    shuttle::check_dfs(model, None);
}

/// Tries as many orders as a second allows.
fn check_many(model: impl Fn() + Send + Sync + 'static) {
    shuttle::check_random_with_seed(model, 0x3A11B0C5, 5_000);
}

/// The sender's side of a network's poll: wakes of which the poll did not tell yet are one.
struct Bell(SyncSender<()>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        // If there is no room, it has been rung already; if nobody is left, none need hear it.
        let _ = self.0.try_send(());
    }
}

/// The loop, as far as it has to do with its mailbox.
struct Loop {
    mailbox: Mailbox<u32>,
    bell: Receiver<()>,
    budget: usize,
    received: Vec<u32>,
    requested: Option<Request>,
}

impl Loop {
    fn new(capacity: usize, budget: usize) -> Self {
        let (bell, poll) = sync_channel(1);
        let mailbox = Mailbox::new(capacity, Waker::from(Arc::new(Bell(bell))));
        Self { mailbox, bell: poll, budget, received: Vec::new(), requested: None }
    }

    /// One turn: sleeps if it may, hears the wake, takes what the budget allows.
    fn turn(&mut self) {
        if self.poll(self.mailbox.may_have_more()) {
            self.requested = self.mailbox.take_wake().max(self.requested);
        }
        self.receive();
    }

    /// Whether there was a wake; waits for one, unless the loop has other things to do.
    fn poll(&self, is_busy: bool) -> bool {
        if is_busy { self.bell.try_recv().is_ok() } else { self.bell.recv().is_ok() }
    }

    fn receive(&mut self) {
        for _ in 0..self.budget {
            let Some(item) = self.mailbox.next() else { break };
            self.received.push(item);
        }
    }
}

/// Tries, and waits if there is no room.
fn put(sender: &Sender<u32>, item: u32) {
    if let Err(Refused::Full(item)) = sender.try_send(item) {
        sender.send(item).unwrap();
    }
}

/// Starts a thread for each of `senders`, which puts in so many items one after the other, and
/// takes `turn`s until all have come: each sender's in order, in no more turns than it was worth.
fn deliver(mut turning: Loop, senders: &[u32], turn: impl Fn(&mut Loop)) {
    let items = |sender: u32, count: u32| (0..count).map(move |n| sender * 100 + n);
    for (&count, name) in senders.iter().zip(0..) {
        let sender = turning.mailbox.sender();
        thread::spawn(move || items(name, count).for_each(|item| put(&sender, item)));
    }
    let total = senders.iter().sum::<u32>() as usize;
    let mut turns = 0;
    while turning.received.len() < total {
        turn(&mut turning);
        turns += 1;
    }
    assert!(turns <= 2 * total, "{turns} turns for {total} items");
    for (&count, name) in senders.iter().zip(0..) {
        let from_it = turning.received.iter().copied().filter(|item| item / 100 == name);
        assert!(from_it.eq(items(name, count)), "{:?}", turning.received);
    }
}

/// How a sender puts its items in; gives back what it was given back.
type SendOne = fn(&Sender<u32>, u32) -> Option<u32>;

fn trying(sender: &Sender<u32>, item: u32) -> Option<u32> {
    match sender.try_send(item) {
        Ok(()) => None,
        Err(Refused::Full(item) | Refused::Closed(item)) => Some(item),
    }
}

fn waiting(sender: &Sender<u32>, item: u32) -> Option<u32> {
    sender.send(item).err().map(|Closed(item)| item)
}

/// Starts a thread for each of `senders`, which sends so many items, all of them 1, and ends the
/// loop after so many turns without sleep. Each item is received, given back, or counted.
fn shut_down(mut turning: Loop, turns: usize, senders: &[u32], send: SendOne) {
    let start = |&count| {
        let sender = turning.mailbox.sender();
        thread::spawn(move || (0..count).filter_map(|_| send(&sender, 1)).sum::<u32>())
    };
    let started: Vec<_> = senders.iter().map(start).collect();
    for _ in 0..turns {
        turning.receive();
    }
    let dropped = turning.mailbox.close();
    let returned: u32 = started.into_iter().map(|sender| sender.join().unwrap()).sum();
    let received = turning.received.len();
    let sent: u32 = senders.iter().sum();
    assert_eq!(
        received + dropped + returned as usize,
        sent as usize,
        "{received} received, {dropped} dropped, {returned} given back"
    );
}

#[test]
fn a_loop_never_sleeps_on_the_items_of_one_sender() {
    check_all(|| deliver(Loop::new(3, 1), &[2], Loop::turn));
    check_all(|| deliver(Loop::new(3, 3), &[2], Loop::turn));
}

#[test]
fn a_loop_never_sleeps_on_what_two_sent_with_one_wake() {
    check_all(|| deliver(Loop::new(2, 2), &[1, 1], Loop::turn));
}

#[test]
fn a_loop_never_sleeps_on_the_items_of_many_senders() {
    check_many(|| deliver(Loop::new(9, 1), &[3, 3, 3], Loop::turn));
    check_many(|| deliver(Loop::new(4, 2), &[1, 2, 3, 4], Loop::turn));
}

#[test]
fn whoever_waits_for_room_gets_in() {
    check_all(|| deliver(Loop::new(1, 1), &[2], Loop::turn));
    check_many(|| deliver(Loop::new(1, 1), &[2, 2, 2], Loop::turn));
    check_many(|| deliver(Loop::new(2, 3), &[4, 4], Loop::turn));
}

#[test]
fn an_item_sent_while_the_loop_ends_is_received_or_given_back_or_counted() {
    check_all(|| shut_down(Loop::new(1, 1), 0, &[2], trying));
    check_all(|| shut_down(Loop::new(2, 1), 1, &[2], trying));
    check_many(|| shut_down(Loop::new(2, 1), 1, &[2, 2, 2], trying));
}

#[test]
fn nobody_waits_for_room_in_a_loop_that_has_ended() {
    check_many(|| shut_down(Loop::new(1, 1), 0, &[2, 2], waiting));
    check_many(|| shut_down(Loop::new(2, 1), 3, &[3, 3, 3], waiting));
}

#[test]
fn nobody_waits_for_room_in_a_mailbox_that_was_dropped() {
    check_all(|| {
        let turning = Loop::new(1, 1);
        let sender = turning.mailbox.sender();
        let waiter = thread::spawn(move || waiting(&sender, 1).or(waiting(&sender, 2)));
        drop(turning.mailbox);
        assert!(waiter.join().unwrap().is_some(), "there was room for one only");
    });
}

#[test]
fn a_loop_never_sleeps_on_a_request_and_hears_the_greatest() {
    check_many(|| {
        let mut turning = Loop::new(1, 1);
        turning.mailbox.sender().try_send(1).unwrap();
        let asking = [Request::Stop, Request::Drain].map(|request| {
            let sender = turning.mailbox.sender();
            thread::spawn(move || sender.request(request))
        });
        while turning.requested < Some(Request::Stop) {
            turning.turn();
        }
        for asking in asking {
            asking.join().unwrap().unwrap();
        }
    });
}

#[test]
fn a_request_is_heard_or_the_loop_has_ended() {
    check_all(|| {
        let mut turning = Loop::new(1, 1);
        let sender = turning.mailbox.sender();
        let other = turning.mailbox.sender();
        let asking = thread::spawn(move || sender.request(Request::Stop));
        other.request(Request::Drain).unwrap();
        while turning.requested.is_none() {
            turning.turn();
        }
        assert_eq!(turning.mailbox.close(), 0);
        let answer = asking.join().unwrap();
        assert!(answer.is_ok() || other.is_closed());
        assert_eq!(other.request(Request::Stop), Err(Closed(Request::Stop)));
    });
}

/// Loops that break the protocol, each in one way.
mod breaches {
    use super::*;

    #[test]
    #[should_panic(expected = "deadlock")]
    fn a_loop_that_lowers_the_flag_after_the_last_item_is_noticed() {
        let turn = |turning: &mut Loop| {
            turning.poll(false);
            turning.receive();
            let _ = turning.mailbox.take_wake();
        };
        check_all(move || deliver(Loop::new(3, 3), &[2], turn));
    }

    #[test]
    #[should_panic(expected = "deadlock")]
    fn a_loop_that_never_lowers_the_flag_is_noticed() {
        let turn = |turning: &mut Loop| {
            turning.poll(false);
            turning.receive();
        };
        check_all(move || deliver(Loop::new(3, 3), &[2], turn));
    }

    #[test]
    #[should_panic(expected = "deadlock")]
    fn a_loop_that_sleeps_on_what_its_budget_left_is_noticed() {
        let turn = |turning: &mut Loop| {
            turning.poll(false);
            let _ = turning.mailbox.take_wake();
            turning.receive();
        };
        check_all(move || deliver(Loop::new(2, 1), &[2], turn));
    }

    #[test]
    #[should_panic(expected = "turns for")]
    fn a_loop_that_never_sleeps_is_noticed() {
        let turn = |turning: &mut Loop| {
            turning.poll(true);
            let _ = turning.mailbox.take_wake();
            turning.receive();
        };
        check_many(move || deliver(Loop::new(2, 1), &[2], turn));
    }
}
