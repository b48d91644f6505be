//! What must be true whenever a turn has ended, whatever happened in it: for tests on the simulated
//! network.

use std::collections::BTreeSet;
use std::fmt;

use super::{Reactor, Service};
use crate::acceptor::Acceptor;
use crate::connection::Connection;
use crate::datagram::DatagramEndpoint;
use crate::network::Readiness;
use crate::shared::Relay;
use crate::token::Token;

/// A rule that a loop has broken, which is always a bug of the engine.
///
/// Its text begins with what the rule is about: connections and their limit (I1), sockets (I2),
/// output (I3), openings and closes (I4), whatever can be read, accepted or done (I6), memory (I7),
/// deadlines (I10), or what is left at the end (I12). The numbers are those of the project's list
/// of invariants, of which the others cannot be seen by looking at a loop once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Breach {
    rule: &'static str,
    about: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.rule, self.about)
    }
}

impl std::error::Error for Breach {}

impl Reactor {
    /// Looks after a turn whether everything is as it must be: that nobody is forgotten who can be
    /// read from, written to or accepted, that every deadline will be met, that what is counted is
    /// what there is. It looks at every connection, which takes its time.
    ///
    /// `promised` is what a [simulated network](crate::network::SimNetwork::promised) will tell of
    /// a socket. Says how many sockets the loop has: as many must be
    /// [open](crate::network::SimNetwork::open_sockets).
    ///
    /// ```
    /// # use windlass::network::SimNetwork;
    /// # use windlass::{Error, Handler, Lines, Server, Session};
    /// # struct Shout;
    /// # impl Handler for Shout {
    /// #     type Codec = Lines;
    /// #     type State = ();
    /// #     fn on_frame(&mut self, s: &mut Session<'_, Self>, line: &str) -> Result<(), Error> {
    /// #         s.send(&line.to_uppercase())
    /// #     }
    /// # }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut network = SimNetwork::new(42);
    /// let mut reactor = Server::new().tcp("192.0.2.1:7000", Shout).build_on(&mut network)?;
    /// network.connect_to("192.0.2.1:7000".parse()?);
    /// reactor.turn(&mut network, None)?;
    /// assert_eq!(reactor.audit(|token| network.promised(token))?, network.open_sockets());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The first rule that is broken, and by whom.
    pub fn audit(&self, promised: impl Fn(Token) -> Option<Readiness>) -> Result<usize, Breach> {
        let mut sums = Sums::default();
        for service in &self.services {
            match service {
                Service::Stream(acceptor, endpoint) => {
                    self.audit_acceptor(acceptor, &promised, &mut sums)?;
                    let mut result = Ok(());
                    sums.timers += endpoint.timers_len();
                    endpoint.for_each(&mut |connection| {
                        if result.is_ok() {
                            result = self.audit_connection(connection, &promised, &mut sums);
                        }
                    });
                    result?;
                }
                Service::Datagram(endpoint) => {
                    self.audit_datagrams(endpoint, &promised, &mut sums)?;
                }
            }
        }
        self.audit_sums(&sums)?;
        Ok(sums.sockets)
    }

    fn audit_acceptor(
        &self,
        acceptor: &Acceptor,
        promised: &impl Fn(Token) -> Option<Readiness>,
        sums: &mut Sums,
    ) -> Result<(), Breach> {
        if acceptor.is_closed() {
            return Ok(());
        }
        let about = || format!("{acceptor:?}");
        let token = acceptor.token();
        sums.timers += usize::from(acceptor.is_pausing());
        let told = expect_socket(promised(token), about)?;
        sums.sockets += 1;
        let is_told = told.contains(Readiness::READABLE);
        let rule = "I6: whoever waits for the listener is on its mind, or comes with an event";
        check(rule, acceptor.is_ready() || is_told, about)?;
        let rule = "I6: who can be accepted will be";
        check(rule, !acceptor.may_accept() || self.may_accept, about)
    }

    fn audit_connection(
        &self,
        connection: &Connection,
        promised: &impl Fn(Token) -> Option<Readiness>,
        sums: &mut Sums,
    ) -> Result<(), Breach> {
        let about = || connection.describe();
        let told = expect_socket(promised(connection.token()), about)?;
        sums.sockets += 1;
        sums.connections += 1;
        sums.outbound += usize::from(connection.is_outbound());
        sums.held_len += connection.held_len();
        sums.timers += connection.timers_len();
        sums.held_back += usize::from(connection.is_held_back());
        if connection.is_listed_ready() {
            sums.listed.insert(connection.token());
        }
        if let Some(partner) = connection.listed_partner() {
            let pair = [Relay::Serve(connection.token()), Relay::Serve(partner)];
            let will_be = self.tools.shared.relays.iter().any(|relay| pair.contains(relay));
            check("I6: a pair that is on the list will be looked at", will_be, about)?;
        }
        match connection.broken_rule(&self.tools.shared, told) {
            Some(rule) => Err(Breach { rule, about: about() }),
            None => Ok(()),
        }
    }

    fn audit_datagrams(
        &self,
        endpoint: &DatagramEndpoint,
        promised: &impl Fn(Token) -> Option<Readiness>,
        sums: &mut Sums,
    ) -> Result<(), Breach> {
        if endpoint.is_closed() {
            return Ok(());
        }
        let about = || format!("UDP {}", endpoint.address());
        let told = expect_socket(promised(endpoint.token()), about)?;
        sums.sockets += 1;
        sums.timers += endpoint.timers_len();
        if endpoint.is_listed_ready() {
            sums.listed.insert(endpoint.token());
        }
        match endpoint.broken_rule(told) {
            Some(rule) => Err(Breach { rule, about: about() }),
            None => Ok(()),
        }
    }

    /// What is counted is what there is, and whoever is said to be on a list is.
    fn audit_sums(&self, sums: &Sums) -> Result<(), Breach> {
        let shared = &self.tools.shared;
        let about = || format!("{sums:?}");
        let accepted = sums.connections - sums.outbound;
        let rule = "I1: there are as many connections as are counted, and no more than may be";
        let is_counted =
            sums.connections == self.connections_len() && sums.outbound == shared.outbound_len;
        check(rule, is_counted && accepted <= self.max_connections, about)?;
        let rule = "I7: the memory of all is what is counted, and within the budget";
        let is_within = shared.held_len <= shared.config.memory_budget;
        check(rule, sums.held_len == shared.held_len && is_within, about)?;
        let rule = "I7: as many are held back as are counted";
        check(rule, sums.held_back == shared.held_back_len, about)?;
        let rule = "I6: who is on the list of those that have work is there once";
        let present = shared.ready.iter().filter(|token| sums.listed.contains(token));
        let distinct: BTreeSet<_> = present.clone().collect();
        let is_once = distinct.len() == sums.listed.len() && present.count() == distinct.len();
        check(rule, is_once, about)?;
        let rule = "I6: what was asked for will be done";
        let is_asked = !shared.commands.is_empty() || !shared.relays.is_empty();
        let is_over = self.drain.is_over();
        check(rule, !is_asked || shared.has_commands || is_over, about)?;
        let rule = "I12: every timer is somebody's, and there is no other";
        check(rule, sums.timers == shared.timers.len(), about)?;
        let rule = "I7: nothing is left of the output of an event";
        check(rule, shared.output.is_empty(), about)?;
        let rule = "I12: when the loop has ended, nothing is left";
        let has_timers = shared.timers.next_deadline().is_some();
        let is_left = sums.sockets > 0 || shared.held_len > 0 || has_timers;
        check(rule, !is_over || !is_left, about)
    }
}

/// What was counted by looking.
#[derive(Default, Debug)]
struct Sums {
    sockets: usize,
    connections: usize,
    outbound: usize,
    held_len: usize,
    held_back: usize,
    timers: usize,
    /// Those that say that they are on the list of those that have work.
    listed: BTreeSet<Token>,
}

fn check(rule: &'static str, is_kept: bool, about: impl Fn() -> String) -> Result<(), Breach> {
    match is_kept {
        true => Ok(()),
        false => Err(Breach { rule, about: about() }),
    }
}

fn expect_socket(
    promised: Option<Readiness>,
    about: impl Fn() -> String,
) -> Result<Readiness, Breach> {
    promised.ok_or_else(|| Breach { rule: "I2: whoever is in a slot has a socket", about: about() })
}
