//! What clients of each example say, and what they must hear.

use crate::client::{Client, End};
use crate::example::{Example, wait_until};

/// An example, and how one talks with it.
pub(crate) struct Talk {
    pub(crate) name: &'static str,
    options: &'static str,
    /// What the client of a number says, which is answered with
    question: fn(usize) -> String,
    answer: fn(usize) -> String,
    /// Others are heard too, and greetings.
    has_more: bool,
}

/// Several segments, of which no two clients have the same.
fn tale(client: usize) -> String {
    format!("client {client} has much to say. ").repeat(150) + "\n"
}

const LAST_OF_HELP: &str = "* anything else is said to everybody in the room\n";

pub(crate) const ECHO: Talk = Talk {
    name: "echo",
    options: "--tcp 127.0.0.1:0 --udp 127.0.0.1:0",
    question: tale,
    answer: tale,
    has_more: false,
};

pub(crate) const MIDDLEWARE: Talk = Talk {
    name: "middleware",
    options: "--tcp 127.0.0.1:0 --metrics 127.0.0.1:0 --max-per-address 1000 --frame-rate 10000/s",
    ..ECHO
};

pub(crate) const OFFLOAD: Talk = Talk {
    name: "offload",
    options: "--tcp 127.0.0.1:0 --workers 2",
    question: |_| "1000\n".to_owned(),
    answer: |_| "1000: 168\n".to_owned(),
    has_more: false,
};

/// A program that has nothing of its own to do for long.
pub(crate) const EMBEDDED: Talk = Talk {
    name: "embedded",
    options: "--tcp 127.0.0.1:0 --tick 1h",
    question: |_| "up\n".to_owned(),
    answer: |_| "send left or right\n".to_owned(),
    has_more: false,
};

pub(crate) const CHAT: Talk = Talk {
    name: "chat",
    options: "--tcp 127.0.0.1:0 --rate-limit 10000/s",
    question: |_| "/help\n".to_owned(),
    answer: |_| LAST_OF_HELP.to_owned(),
    has_more: true,
};

/// Needs an upstream: see [`Stage`].
pub(crate) const PROXY: Talk = Talk {
    name: "proxy",
    // The time for a connect is looked at once it is over, also if it went well.
    options: "--tcp 127.0.0.1:0 --retry 10ms --write-timeout 2s --connect-timeout 1h",
    ..ECHO
};

/// A server that is talked with, and what is behind it.
pub(crate) struct Stage {
    pub(crate) server: Example,
    _upstream: Option<Example>,
}

impl Talk {
    /// Starts the server.
    pub(crate) fn start(&self) -> Stage {
        let upstream = (self.name == "proxy").then(|| Example::echo("--tcp 127.0.0.1:0"));
        let to = upstream.as_ref().map(|echo| format!(" --upstream {}", echo.address("tcp")));
        let options = self.options.to_owned() + &to.unwrap_or_default();
        Stage { server: Example::of(self.name, &options), _upstream: upstream }
    }

    pub(crate) fn ask(&self, client: &mut Client, number: usize) {
        client.send((self.question)(number).as_bytes());
    }

    /// Whether all these questions were answered.
    pub(crate) fn is_answered(&self, received: &[u8], number: usize, questions: usize) -> bool {
        let answer = (self.answer)(number);
        match self.has_more {
            true => String::from_utf8_lossy(received).matches(&answer).count() == questions,
            false => received == answer.repeat(questions).as_bytes(),
        }
    }

    /// What was received is a part of what must be, and of nothing else.
    pub(crate) fn assert_no_other(&self, received: &[u8], number: usize, questions: usize) {
        let answers = (self.answer)(number).repeat(questions);
        let is_part = self.has_more || answers.as_bytes().starts_with(received);
        assert!(is_part, "foreign bytes: {}", String::from_utf8_lossy(received));
    }

    /// A client that does all right, and must get all of its answers and a proper end.
    pub(crate) fn serve_honest(&self, server: &Example, number: usize) {
        if self.name == "proxy" {
            // As long as it takes its upstream to be down, it rightly serves nobody.
            wait_until("the upstream is up again", || {
                let mut client = Client::to(server.address("tcp"));
                self.ask(&mut client, number);
                !client.received_until(1).is_empty()
            });
        }
        let mut client = Client::to(server.address("tcp"));
        for questions in 1..=2 {
            self.ask(&mut client, number);
            let mut wanted = 1;
            while !self.is_answered(client.received_until(wanted), number, questions) {
                assert_eq!(client.end(), None, "an honest client was cut");
                wanted = client.received_until(0).len() + 1;
            }
        }
        client.finish();
        let received = client.rest();
        assert!(self.is_answered(received, number, 2), "an honest client got something else");
        assert_eq!(client.end(), Some(End::Finished));
    }
}
