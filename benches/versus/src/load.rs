//! The load: a bare loop of its own, in a process of its own, that asks and compares every byte of
//! every answer.
//!
//! It is closed: a new message is sent only for one that is answered. One stretch does not count,
//! so that everything is warm; then whoever measures says when the other begins.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::trouble::Trouble;
use crate::workload::{Ask, Shape};
use accept::Accept;
use churn::Churn;
use datagrams::Datagrams;
use keys::Stored;
use page::Page;
use ping::Ping;
use plan::USAGE;
use questions::Questions;
use requests::Requests;
use stretch::{Clock, Tally, cpu_ns};

// What one does
mod accept;
mod churn;
mod datagrams;
mod idle;
mod keys;
mod page;
mod ping;
mod questions;
mod requests;
mod tool;
// What they are made of
mod asked;
mod flight;
mod histogram;
mod inquiry;
mod layout;
mod poller;
mod post;
mod reader;
mod repeated;
mod socket;
mod talk;
mod window;
// What is asked of it, and what it says
mod child;
mod dialogue;
mod plan;
mod stretch;

pub(crate) use child::LoadChild;
pub(crate) use idle::STAGES as STAGES_OF_IDLE;
pub(crate) use keys::STAGES as STAGES_OF_KEYS;
pub(crate) use plan::{Plan, Until};
pub(crate) use stretch::Outcome;

/// A kind of work that can be done for a while, and again.
trait Work {
    /// Works until so much is done, and all that was sent is answered.
    fn stretch(&mut self, until: Until, tally: &mut Tally) -> Result<(), Trouble>;

    /// Looks whether anything came that should not have.
    fn finish(&mut self) -> Result<(), Trouble>;
}

/// Plays the load, as the child process of who measures or by hand.
pub(crate) fn main_of_load(args: impl Iterator<Item = OsString>) -> ExitCode {
    let args: Vec<String> = args.map(|arg| arg.to_string_lossy().into_owned()).collect();
    let plan = match Plan::parse(&args) {
        Ok(plan) => plan,
        Err(trouble) => {
            eprintln!("load: {trouble}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match play(&plan) {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            eprintln!("load: {trouble}");
            ExitCode::FAILURE
        }
    }
}

fn play(plan: &Plan) -> Result<(), Trouble> {
    socket::raise_descriptor_limit()?;
    match plan.shape {
        Shape::Idle { connections } => return idle::play(plan, connections),
        Shape::Keys { count } => return keys::play(plan, count),
        Shape::Tool { ask, connections, in_flight } => {
            return tool::play(plan, ask, connections, in_flight);
        }
        _ => {}
    }
    let mut work = work(plan)?;
    work.stretch(plan.warm, &mut Tally::new())?;
    let mut tally = Tally::new();
    dialogue::pause("warm")?;
    let (clock, cpu_before) = (Clock::start(), cpu_ns()?);
    work.stretch(plan.stretch, &mut tally)?;
    let (elapsed_ns, cpu_after) = (clock.now(), cpu_ns()?);
    dialogue::pause(Outcome::new(&tally, elapsed_ns, cpu_after - cpu_before))?;
    work.finish()
}

/// Does the short and the longer stretch in this process, and gives how many replies the longer
/// one had.
#[cfg(test)]
pub(crate) fn played(plan: &Plan) -> Result<u64, Trouble> {
    let mut work = work(plan)?;
    work.stretch(plan.warm, &mut Tally::new())?;
    let mut tally = Tally::new();
    work.stretch(plan.stretch, &mut tally)?;
    work.finish().map(|()| tally.replies)
}

/// Connects to the server, to do what is planned.
fn work(plan: &Plan) -> Result<Box<dyn Work>, Trouble> {
    Ok(match plan.shape {
        Shape::Requests { connections, in_flight, message_len } => {
            Box::new(Requests::open(plan, connections, in_flight, message_len)?)
        }
        Shape::Datagrams { flows, in_flight, payload_len, is_batching } => {
            Box::new(Datagrams::open(plan, flows, in_flight, payload_len, is_batching)?)
        }
        Shape::Accept { connections } => Box::new(Accept::new(plan, connections)?),
        Shape::Churn { concurrent, message_len } => {
            Box::new(Churn::new(plan, concurrent, message_len))
        }
        Shape::Asks { ask, connections, in_flight } => asks(plan, ask, connections, in_flight)?,
        Shape::Idle { .. } | Shape::Keys { .. } | Shape::Tool { .. } => {
            return Err(Trouble::new("this is played in another way"));
        }
    })
}

/// Connects to the server, to ask in its protocol.
fn asks(plan: &Plan, ask: Ask, connections: u32, in_flight: u32) -> Result<Box<dyn Work>, Trouble> {
    Ok(match ask {
        Ask::Page => {
            let page = Page::learn(plan.address)?;
            Box::new(Requests::follow(plan, connections, in_flight, page)?)
        }
        Ask::Ping => Box::new(Requests::follow(plan, connections, in_flight, Ping::new())?),
        Ask::Set | Ask::Get | Ask::Mixed => {
            Box::new(Stored::open(plan, ask, connections, in_flight)?)
        }
        Ask::Question => Box::new(Questions::open(plan, connections, in_flight)?),
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
    use std::thread;

    use super::*;
    use crate::workload::Protocol;

    /// A server that may do something wrong with what each of its connections reads the n-th time,
    /// or close it by answering nothing.
    fn tcp_server(wrong: fn(usize, &mut Vec<u8>)) -> SocketAddr {
        fn serve(mut stream: TcpStream, wrong: fn(usize, &mut Vec<u8>)) {
            let mut buffer = [0; 65_536];
            for count in 0.. {
                let Ok(len @ 1..) = stream.read(&mut buffer) else { return };
                let mut bytes = buffer[..len].to_vec();
                wrong(count, &mut bytes);
                if bytes.is_empty() || stream.write_all(&bytes).is_err() {
                    return;
                }
            }
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || serve(stream, wrong));
            }
        });
        address
    }

    /// A server that may do something wrong with the n-th datagram.
    fn udp_server(wrong: fn(usize, &mut Vec<u8>)) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        thread::spawn(move || {
            let mut buffer = [0; 65_536];
            for count in 0.. {
                let Ok((len, peer)) = socket.recv_from(&mut buffer) else { return };
                let mut bytes = buffer[..len].to_vec();
                wrong(count, &mut bytes);
                let _ = socket.send_to(&bytes, peer);
            }
        });
        address
    }

    /// Does a short and a longer stretch, and says how many replies the longer one had, or what
    /// went wrong.
    fn replies(address: SocketAddr, protocol: Protocol, shape: Shape) -> String {
        let warm = Until::Replies(10);
        let stretch = Until::Replies(200);
        let plan = Plan { address, protocol, shape, warm, stretch };
        played(&plan).map_or_else(|trouble| trouble.to_string(), |replies| replies.to_string())
    }

    const REQUESTS: Shape = Shape::Requests { connections: 3, in_flight: 4, message_len: 64 };
    const SPLIT: Shape = Shape::Requests { connections: 1, in_flight: 100, message_len: 64 };
    const LARGE: Shape = Shape::Requests { connections: 2, in_flight: 2, message_len: 400_000 };
    const CHURN: Shape = Shape::Churn { concurrent: 4, message_len: 64 };
    const ACCEPT: Shape = Shape::Accept { connections: 150 };
    const PLAIN: Shape =
        Shape::Datagrams { flows: 2, in_flight: 5, payload_len: 64, is_batching: false };
    const BATCHES: Shape =
        Shape::Datagrams { flows: 2, in_flight: 5, payload_len: 64, is_batching: true };

    #[test]
    fn every_shape_counts_its_replies_exactly() {
        let address = tcp_server(|_, _| {});
        for protocol in [Protocol::Raw, Protocol::Length, Protocol::Line] {
            for shape in [REQUESTS, SPLIT, LARGE, CHURN, ACCEPT] {
                assert_eq!(replies(address, protocol, shape), "200", "{shape:?}");
            }
        }
        let address = udp_server(|_, _| {});
        for shape in [PLAIN, BATCHES] {
            assert_eq!(replies(address, Protocol::Datagram, shape), "200", "{shape:?}");
        }
    }

    #[test]
    fn a_byte_that_is_flipped_on_the_way_is_found() {
        let address = tcp_server(|count, bytes| {
            if count == 2 {
                bytes[5] ^= 0x10;
            }
        });
        for shape in [REQUESTS, SPLIT, LARGE] {
            let trouble = replies(address, Protocol::Raw, shape);
            assert!(trouble.starts_with("wrong bytes came back"), "{trouble}");
        }
        let address = udp_server(|count, bytes| {
            if count % 100 == 20 {
                bytes[15] ^= 0x10;
            }
        });
        for shape in [PLAIN, BATCHES] {
            let trouble = replies(address, Protocol::Datagram, shape);
            assert!(trouble.contains("wrong bytes came back"), "{trouble}");
        }
    }

    #[test]
    fn a_connection_that_is_closed_too_early_is_found() {
        let address = tcp_server(|count, bytes| {
            if count == 2 {
                bytes.clear();
            }
        });
        let trouble = replies(address, Protocol::Raw, REQUESTS);
        assert!(trouble.contains("closed connection") || trouble.contains("reset"), "{trouble}");
        let address = tcp_server(|_, bytes| bytes.clear());
        for shape in [CHURN, ACCEPT] {
            let trouble = replies(address, Protocol::Raw, shape);
            assert!(trouble.contains("with 1 messages unanswered"), "{trouble}");
        }
    }

    #[test]
    fn bytes_that_nobody_asked_for_are_found() {
        let address = tcp_server(|count, bytes| {
            if count == 2 {
                bytes.push(b'x');
            }
        });
        for shape in [REQUESTS, SPLIT] {
            let trouble = replies(address, Protocol::Raw, shape);
            let is_found = trouble.contains("bytes more") || trouble.contains("wrong bytes");
            assert!(is_found, "{trouble}");
        }
    }
}
