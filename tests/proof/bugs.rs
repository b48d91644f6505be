//! The bugs that can be planted: each is one that such a server was seen to have. Each must be
//! found by what is named with it, within as many runs.
//!
//! `WINDLASS_BUG=CloseDropsOutput cargo test --lib` plants one of them in all tests of the crate.
//! `WINDLASS_ALL=1` has a debug build look for all of them, and not for every third.

use std::cell::Cell;

use super::fixture::quietly;
use super::small_worlds::{commands, datagrams, drains, layers, streams, times};
use super::{faults, stride, swarm};

/// What finds a bug.
#[derive(Clone, Copy)]
enum Detector {
    /// One of so many worlds of the swarm.
    Swarm(u64),
    /// The scenarios, with a few of the faults at their calls.
    Faults,
    /// A world made for it.
    World(fn()),
}

use Detector::{Faults, Swarm, World};

/// The bugs, each named for what it does, after the row of `tests/hazards.md` that tells of it; and
/// what finds it.
macro_rules! bugs {
    ($($(#[doc = $doc:literal])+ $bug:ident: $detector:expr,)+) => {
        /// A bug on purpose.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(crate) enum Bug {
            $($(#[doc = $doc])+ $bug,)+
        }

        const BUGS: &[(Bug, Detector)] = &[$((Bug::$bug, $detector),)+];
    };
}

bugs! {
    /// A1: an accept that fails for want of something is the last, until somebody comes.
    ExhaustionIsFinal: Swarm(300),
    /// A1: what failed is tried again at full speed.
    FailureWithoutPause: Faults,
    /// A1: when the pause after a failure is over, nobody is accepted.
    PauseWithoutEnd: Swarm(300),
    /// A2: a peer that left before it was accepted ends the loop.
    GoneIsFatal: Swarm(300),
    /// A4: whoever floods the listener is accepted without a budget.
    AcceptBudgetOff: Swarm(300),
    /// A5: only one of those that wait is accepted for an event.
    OnePeerPerEvent: Swarm(300),
    /// A5: who waits when the budget is used up waits for the next to come.
    ListenerForgottenAtBudget: Swarm(300),
    /// A7: the listener is closed on those that wait in its queue.
    DrainResetsTheQueue: World(drains::whoever_waits_when_the_drain_begins_is_served),
    /// A8: what leaves is not taken off the count.
    CountDrifts: Swarm(300),
    /// A12: whoever is refused keeps his socket.
    RefusedPeerIsKept: Swarm(300),
    /// A12: a peer that could not be adopted is opened.
    AdoptionUnchecked: Swarm(1000),
    /// B1: after a short read nothing more is read, though the end was announced.
    HangupUnheard: Swarm(300),
    /// B1: a read that fills the buffer is taken for the last.
    OneReadPerEvent: Swarm(300),
    /// B1: who used up a budget is not served until there is an event.
    WorkLeftIsForgotten: Swarm(300),
    /// B2: a fast sender is read from without end.
    ReadBudgetOff: Swarm(300),
    /// B2: who used up a budget is served again in the same turn.
    TurnWithoutEnd: Swarm(300),
    /// B3: a length is believed before its bytes have come.
    AnnouncedIsAllocated: World(streams::a_length_is_believed_when_its_bytes_have_come),
    /// B3: a frame may have any length that can be announced.
    LengthUnchecked: World(streams::a_length_beyond_the_limit_is_refused),
    /// B5: a line is searched from its start with each byte.
    ScanFromTheStart: World(streams::a_line_that_dribbles_is_looked_at_twice_at_most),
    /// B6: a line that has not ended may have any length.
    LineWithoutEnd: World(streams::a_line_without_end_is_refused),
    /// B7: what is left of a long frame keeps its buffer.
    LargeBufferIsKept: World(streams::what_is_left_of_a_long_frame_takes_little),
    /// B9: the time for a frame begins anew with each byte.
    EachByteBuysTime: World(times::bytes_that_dribble_buy_no_time),
    /// B11: the end of the stream closes before the answers have left.
    EndClosesAtOnce: Swarm(300),
    /// B12: after the end of the stream there is always something to do.
    EndSpins: Swarm(300),
    /// B13: a reset passes for the end of the stream.
    ResetIsTheEnd: Swarm(300),
    /// B15: frames that came after the close are run.
    FramesAfterClose: Swarm(300),
    /// B16: a frame that came in pieces waits for a byte of the next.
    OneByteTooManyAwaited: Swarm(300),
    /// B21: a batch of frames is run in one go.
    FrameBudgetOff: Swarm(300),
    /// C1: a peer that does not read is served on.
    HighWatermarkOff: Swarm(300),
    /// C1: a peer that was held back once is so for ever.
    LowWatermarkUnseen: Swarm(300),
    /// C1: output grows without a limit.
    WriteLimitOff: World(streams::an_output_beyond_the_limit_closes),
    /// C2: a broadcast waits for those that are slow.
    SlowIsNotSkipped: World(streams::whoever_is_slow_is_left_out_of_a_broadcast),
    /// C3: a full socket is written to without end.
    FullSocketSpins: Swarm(300),
    /// C3: a handler that wants to write is not told that it can.
    RoomIsForgotten: Swarm(300),
    /// C3: what could be written after a close is not.
    FlushIsForgotten: Swarm(300),
    /// C4: what a short write left is dropped.
    ShortWriteIsTheWhole: Swarm(1000),
    /// C4: what a short write took is sent once more.
    ShortWriteIsSentAgain: Swarm(300),
    /// C4: a write within a piece goes on at the wrong place.
    ResumesAByteBack: Swarm(300),
    /// C5: output that was not flushed leaves with another connection.
    OutputForTheNext: Swarm(300),
    /// C6: a close does not wait until what was sent has left.
    CloseDropsOutput: Swarm(300),
    /// C6: whoever is owed something when he is cut sees the end and no reset.
    CutLooksLikeTheEnd: World(streams::whoever_is_owed_something_is_reset),
    /// C7: a close with input unread resets what is on its way.
    CloseWithoutLinger: Faults,
    /// C10: a fast reader is written to without end.
    WriteBudgetOff: Swarm(300),
    /// C13: an error of a write is taken for a full socket.
    WriteErrorIgnored: Faults,
    /// C14: who takes nothing may stay for ever.
    StalledReaderStays: Faults,
    /// D1: what was for one connection reaches the next in its slot.
    StrangerInTheSlot: World(commands::what_was_for_one_never_reaches_the_next_in_its_slot),
    /// D2: a slot's next tenant has the name of the last.
    NameIsGivenTwice: Swarm(300),
    /// D5: an abort forgets why.
    AbortWithoutReason: Faults,
    /// D5: what happens while a connection ends becomes the reason why it did.
    LastReasonStays: World(streams::the_first_reason_stays),
    /// D6: a peer in the middle of a frame passes for one that is idle.
    HalfAFrameIsIdle: Faults,
    /// D8: the handler is not told of a close.
    CloseIsNotTold: Swarm(300),
    /// D8: the handler is told of a close twice.
    CloseIsToldTwice: Swarm(300),
    /// D9: a connection whose callback panicked goes on.
    PanicLeavesItOpen: Swarm(300),
    /// D9: what a callback sent before it panicked is sent.
    HalfAnAnswerLeaves: World(streams::a_callback_that_panics_ends_its_connection),
    /// E2: a deadline has passed only a moment after it was reached.
    DueIsNotDueYet: Swarm(300),
    /// E2: the time until a deadline is rounded down.
    WaitIsRoundedDown: Swarm(300),
    /// E3: a deadline beyond the end of the clock has passed.
    DeadlineWraps: World(times::a_deadline_beyond_the_clock_never_passes),
    /// E4: a timer set for now comes due in the same pass.
    TimerStarvesTheRest: World(times::a_timer_set_for_now_lets_others_run),
    /// E5: deadlines that fall together are all met in one turn.
    TimerBudgetOff: Swarm(300),
    /// E6: a timer that is set anew leaves the old one behind.
    ReplacedTimerStays: Swarm(300),
    /// E7: the timer of a connection stays when it goes.
    TimerOutlivesItsOwner: Swarm(300),
    /// E8: a deadline that is set before the last is seen after it.
    EarlierDeadlineUnseen: Swarm(300),
    /// E8: the loop sleeps for as long as it may.
    WaitIsNotRecomputed: Swarm(300),
    /// E10: the time of a turn is that of the last.
    NowIsStale: Faults,
    /// E11: after a jump of the clock deadlines come before input.
    DeadlinesBeforeInput: Swarm(300),
    /// F1: a second message wakes nobody.
    FlagStaysUp: World(commands::each_burst_wakes_the_loop),
    /// F1: what is left of the queue at the budget is not taken.
    RestOfTheQueueSleeps: World(commands::what_is_beyond_the_budget_is_done_in_the_next_turns),
    /// F2: a loop that has ended is told more.
    DeadLoopTakesCommands: World(commands::a_loop_that_has_ended_takes_nothing),
    /// F3: a flood of commands is done without end.
    CommandBudgetOff: Faults,
    /// G1: a signal is taken and not heeded.
    SignalUnheard: Swarm(300),
    /// G3: a second signal does no more than the first.
    SecondSignalIsTheFirst: Faults,
    /// G4: a drain has no deadline.
    DrainForEver: Faults,
    /// G4: a drain does not close the idle.
    DrainLeavesTheIdle: Faults,
    /// G5: a drain closes who is owed an answer.
    DrainCutsTheBusy: Faults,
    /// G6: the loop ends though connections are open.
    LeavesTooEarly: Swarm(300),
    /// G11: a poll that fails for good is tried again.
    FatalPollIsIgnored: Faults,
    /// G12: who is accepted when the drain begins is not told of it.
    NewcomerOfTheDrain: Faults,
    /// H1: a datagram that was cut passes for a whole one.
    TruncatedIsDelivered: World(datagrams::a_datagram_that_was_cut_is_not_taken_for_a_whole_one),
    /// H2: a datagram that cannot be sent takes the others along.
    SendErrorLosesAll: Faults,
    /// H3: a refusal of one datagram costs the next.
    RefusalCostsAnother: World(datagrams::a_refusal_costs_nobody_else),
    /// H4: an error that does not end is met without a pause.
    ReceiveErrorSpins: Faults,
    /// H5: a datagram without payload is lost.
    EmptyDatagramIsDropped: World(datagrams::an_empty_datagram_is_one),
    /// H8: a flood of datagrams is received without end.
    DatagramBudgetOff: World(datagrams::a_flood_is_received_in_portions),
    /// H8: datagrams that wait at the budget wait for the next to come.
    DatagramsForgottenAtBudget: Swarm(300),
    /// H11: what a full socket does not take is lost.
    BlockedSendLosesAll: Faults,
    /// H11: a datagram is joined behind a shorter one.
    JoinedBehindAShorterOne: Swarm(300),
    /// H11: of datagrams that came joined only the first is seen.
    JoinedIsOne: World(datagrams::datagrams_that_come_joined_are_seen_one_by_one),
    /// H14: a datagram from the socket's own address is answered.
    AnswersItself: World(datagrams::nobody_answers_himself),
    /// I2: an IPv4 address in the guise of IPv6 is another.
    MappedIsAnother: World(layers::an_address_is_the_same_in_the_guise_of_another_family),
    /// I7: a connection is made as soon as anything happens.
    ConnectIsTrusted: Swarm(300),
    /// I10: the end of one tied peer's stream is not passed on to the other.
    EndNotPassedOn: Swarm(300),
    /// I10: a tied pair that used up its budget is not looked at again.
    PairForgottenAtBudget: Swarm(300),
    /// I10: the partner of a tied connection that ends stays.
    PartnerIsNotTold: Swarm(300),
    /// I12: an attempt to connect has no deadline.
    ConnectForEver: Faults,
    /// J1: a connection stays counted for its address.
    AddressCountLeaks: Faults,
    /// J2: with enough addresses, one of them is forgotten.
    FullTableEvicts: World(layers::whoever_comes_with_many_addresses_wins_nothing),
    /// J3: what was not used of a rate adds up without an end.
    RateAddsUp: World(layers::what_was_not_used_of_a_rate_does_not_add_up),
    /// J4: who is refused at the door is let in.
    RefusalUnheard: Faults,
    /// J13: layers are told of the opening and not of the close.
    LayersNotToldOfTheClose: Faults,
    /// K2: buffers are not counted.
    MemoryUncounted: Swarm(300),
    /// K2: all buffers together may take any memory.
    MemoryBudgetOff: Faults,
}

thread_local! {
    static PLANTED: Cell<Option<Bug>> = Cell::new(planted_by_hand());
}

/// Whether this bug is to be there, in this thread.
pub(crate) fn is_planted(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// The bug that the environment asks for.
fn planted_by_hand() -> Option<Bug> {
    let name = std::env::var("WINDLASS_BUG").ok()?;
    let bug = BUGS.iter().map(|(bug, _)| *bug).find(|bug| format!("{bug:?}") == name);
    Some(bug.unwrap_or_else(|| panic!("no bug is called {name}")))
}

/// Plants a bug until it is dropped.
struct Planted(Option<Bug>);

impl Planted {
    fn new(bug: Bug) -> Self {
        Self(PLANTED.replace(Some(bug)))
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        PLANTED.set(self.0);
    }
}

impl Detector {
    /// How many runs it takes to find this bug, and what the last of them says, if it is found.
    fn find(self, bug: Bug) -> Option<(u64, String)> {
        let _planted = Planted::new(bug);
        match self {
            Self::Swarm(budget) => (0..budget)
                .find_map(|seed| Some((seed + 1, quietly(|| _ = swarm::run(seed)).err()?))),
            Self::Faults => Some((1, quietly(faults::play_few).err()?)),
            Self::World(run) => Some((1, quietly(run).err()?)),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Swarm(_) => "swarm",
            Self::Faults => "scenarios",
            Self::World(_) => "world",
        }
    }
}

/// Plants every other bug, from the one of this number on, and expects each to be found.
#[expect(clippy::print_stdout, reason = "a table, for whoever wants to see it")]
fn find_every_other(first: usize) {
    let mut missed = Vec::new();
    for (bug, detector) in BUGS.iter().step_by(stride(3)).skip(first).step_by(2) {
        match detector.find(*bug) {
            Some((runs, complaint)) => {
                let line = complaint.replace('\n', " ");
                println!("{bug:?}: found by run {runs} of the {}: {line}", detector.name());
            }
            None => missed.push(*bug),
        }
    }
    assert!(missed.is_empty(), "nobody has seen {missed:?}");
}

// Two tests, for two threads.

#[test]
fn every_planted_bug_is_found_of_those_at_odd_places() {
    find_every_other(0);
}

#[test]
fn every_planted_bug_is_found_of_those_at_even_places() {
    find_every_other(1);
}
