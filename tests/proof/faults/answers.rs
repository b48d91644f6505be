//! Which faults there are: for each call, what it could have met instead.

use std::collections::BTreeSet;
use std::io::ErrorKind;

use windlass::network::{AcceptFailure, Call, ConnectFailure, Forced, Recorded, SimNetwork};

/// What a call meets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Meets {
    /// It has this answer.
    Once(Forced),
    /// It has this answer, and all the same calls after it.
    Always(Forced),
    /// Right before it, this peer has broken off, if it is there.
    Reset(usize),
}

use Meets::{Always, Once, Reset};

/// What is different in a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Fault {
    /// The number of the call.
    pub(super) number: u64,
    call: Call,
    meets: Meets,
}

impl Fault {
    pub(super) fn force_on(self, network: &mut SimNetwork) {
        match self.meets {
            Once(answer) => network.force(self.number, answer),
            Always(answer) => network.force_from(self.number, self.call, answer),
            Reset(index) => network.at_call(self.number, move |network| {
                if let Some(peer) = network.peers().nth(index) {
                    network.reset(peer);
                }
            }),
        }
    }

    pub(super) const fn call(self) -> Call {
        self.call
    }

    /// How a run is named, for `WINDLASS_FAULT`.
    pub(super) fn name(self, scenario: &str) -> String {
        let Self { number, call, meets } = self;
        format!("{scenario}:{number}:{call:?}:{meets:?}").replace(' ', "")
    }

    /// Whether it is given again and again.
    pub(super) const fn is_lasting(self) -> bool {
        matches!(self.meets, Always(_))
    }

    const fn answer(self) -> Option<Forced> {
        match self.meets {
            Once(answer) | Always(answer) => Some(answer),
            Reset(_) => None,
        }
    }

    /// Whether no peer may notice.
    pub(super) fn is_harmless(self) -> bool {
        match self.answer() {
            Some(Forced::Blocked | Forced::Short(_)) => {
                !matches!(self.call, Call::Refuse | Call::SocketLimit)
            }
            Some(Forced::NotAccepted(failure)) => EXHAUSTED.contains(&failure),
            Some(Forced::Fails(_)) => matches!(self.call, Call::Receive | Call::Waker),
            Some(Forced::NotConnected(_)) | None => false,
        }
    }

    /// Whether it makes somebody wait, who may then come too late for something.
    pub(super) fn delays(self) -> bool {
        match self.answer() {
            Some(Forced::NotAccepted(_)) => true,
            Some(Forced::Fails(_)) => matches!(self.call, Call::Adopt | Call::Receive),
            Some(Forced::Blocked) => self.call != Call::Poll,
            Some(Forced::Short(_) | Forced::NotConnected(_)) | None => false,
        }
    }

    /// Whether it ends the loop, and what the loop says then.
    pub(super) fn fatal(self) -> Option<String> {
        match (self.call, self.answer()?) {
            (Call::Poll, Forced::Fails(kind)) => {
                Some(format!("cannot wait for events any more: {kind} (simulated)"))
            }
            (Call::Accept, Forced::NotAccepted(AcceptFailure::Broken)) => {
                Some(" any more: EBADF: bad file descriptor (simulated)".to_owned())
            }
            _ => None,
        }
    }
}

const EXHAUSTED: [AcceptFailure; 4] =
    [AcceptFailure::Emfile, AcceptFailure::Enfile, AcceptFailure::Enobufs, AcceptFailure::Enomem];
const GONE: [AcceptFailure; 4] =
    [AcceptFailure::ConnAborted, AcceptFailure::Proto, AcceptFailure::Perm, AcceptFailure::Broken];
const AT_CONNECT: [ConnectFailure; 6] = [
    ConnectFailure::Refused,
    ConnectFailure::Unreachable,
    ConnectFailure::TimedOut,
    ConnectFailure::Emfile,
    ConnectFailure::AddrNotAvail,
    ConnectFailure::Perm,
];
const AFTER_CONNECT: [ConnectFailure; 4] = [
    ConnectFailure::Refused,
    ConnectFailure::Unreachable,
    ConnectFailure::TimedOut,
    ConnectFailure::SelfConnected,
];

/// The kinds of errors that a system gives for this call.
const fn errors(call: Call) -> &'static [ErrorKind] {
    use ErrorKind as E;
    match call {
        Call::Poll | Call::WatchSignals => &[E::InvalidInput],
        Call::Listen | Call::Bind => {
            &[E::AddrInUse, E::AddrNotAvailable, E::PermissionDenied, E::OutOfMemory]
        }
        Call::Adopt | Call::Waker => &[E::OutOfMemory],
        Call::Connected => &[E::ConnectionReset],
        Call::Read => &[
            E::ConnectionReset,
            E::ConnectionRefused,
            E::TimedOut,
            E::HostUnreachable,
            E::NetworkDown,
            E::OutOfMemory,
        ],
        Call::Write => &[
            E::BrokenPipe,
            E::ConnectionReset,
            E::TimedOut,
            E::HostUnreachable,
            E::PermissionDenied,
            E::OutOfMemory,
        ],
        Call::ShutdownWrite => &[E::NotConnected],
        Call::Receive => &[E::ConnectionRefused, E::HostUnreachable, E::OutOfMemory],
        Call::Send => &[
            E::ConnectionRefused,
            E::HostUnreachable,
            E::PermissionDenied,
            E::InvalidInput,
            E::OutOfMemory,
        ],
        _ => &[],
    }
}

/// Every answer that this call could have had instead of the one it had.
fn answers(recorded: Recorded) -> Vec<Forced> {
    let Recorded { call, moved_len } = recorded;
    let mut answers: Vec<_> = errors(call).iter().copied().map(Forced::Fails).collect();
    match call {
        Call::Accept => {
            answers.extend(EXHAUSTED.into_iter().chain(GONE).map(Forced::NotAccepted));
        }
        Call::Connect => answers.extend(AT_CONNECT.map(Forced::NotConnected)),
        Call::Connected => answers.extend(AFTER_CONNECT.map(Forced::NotConnected)),
        _ => {}
    }
    if matches!(
        call,
        Call::Poll
            | Call::Accept
            | Call::Refuse
            | Call::Connected
            | Call::Read
            | Call::Write
            | Call::Receive
            | Call::Send
    ) {
        answers.push(Forced::Blocked);
    }
    let short: BTreeSet<_> = [1, moved_len / 2, moved_len.saturating_sub(1)].into();
    answers.extend(short.range(1..moved_len.max(1)).copied().map(Forced::Short));
    answers
}

/// All that can be different in a run that makes these calls and has so many peers.
pub(super) fn faults(calls: &[Recorded], peers_len: usize) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (number, recorded) in calls.iter().enumerate() {
        let answers =
            answers(*recorded).into_iter().flat_map(|answer| [Once(answer), Always(answer)]);
        for meets in answers.chain((0..peers_len).map(Reset)) {
            faults.push(Fault { number: number as u64, call: recorded.call, meets });
        }
    }
    faults
}
