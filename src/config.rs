//! Every limit and every timeout, with its default and the reason for it.

use std::time::Duration;

use bytes::Bytes;

use crate::error::Error;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// What the default of [`Config::max_connections`] is where descriptors allow it.
pub(crate) const DEFAULT_MAX_CONNECTIONS: usize = 10_000;

/// What a server may spend: on how many peers, on how many bytes, for how long.
///
/// A timeout that is `None` never passes. What fits together is [checked](Self::check) when the
/// server is built.
///
/// ```
/// use std::time::Duration;
/// use windlass::Config;
///
/// let config = Config {
///     max_connections: Some(500),
///     idle_timeout: Some(Duration::from_secs(20)),
///     ..Config::default()
/// };
/// assert_eq!(config.high_watermark, 64 * 1024);
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// How many TCP connections there can be at a time, over all listeners. Default: what the
    /// descriptor limit allows after a reserve of 32 (or half of it, if that is less) for
    /// everything else the program opens, and 10,000 at most, so that memory is bounded on a
    /// machine without limits.
    pub max_connections: Option<usize>,
    /// How many connections to others there can be at a time, on top of those that were accepted,
    /// so that neither kind takes the other's place. Default: none; whoever
    /// [connects](crate::Scope::connect) says how many.
    pub max_outbound: usize,
    /// What happens to a peer that comes when there are as many. Default: it waits.
    pub at_limit: AtLimit,
    /// How sockets are set up.
    pub socket: SocketOptions,

    /// The size of the buffer that all connections are read into, in bytes. No more of it is used
    /// than [`read_budget`](Self::read_budget). Default: 60 KiB; it exists once. A read call's own
    /// cost hardly shows at that, and what is sent back of it fits into one segment as systems make
    /// them at most, of 64 KiB with its headers.
    pub read_buffer_len: usize,
    /// A connection with this many bytes of output waiting is not read any more, and its frames are
    /// not run. Default: 64 KiB, on top of what the kernel holds.
    pub high_watermark: usize,
    /// A connection that is not read because of its output is read again when no more than this
    /// many bytes are waiting. Default: 16 KiB, so that it does not go on and off with each write.
    pub low_watermark: usize,
    /// A connection with more than this many bytes of output waiting is closed. Default: 16 MiB;
    /// since frames are not run above the high watermark, only the answers of one frame, or what
    /// others send it, can come to this much.
    pub write_limit: usize,
    /// All buffers of all connections together hold no more than this many bytes: beyond it, the
    /// connection that holds most is closed. Default: 256 MiB.
    pub memory_budget: usize,

    /// A connection to another host that is not made after this long is given up. Default: 10 s, in
    /// which a lost first packet is sent anew three times.
    pub connect_timeout: Duration,
    /// A connection on which nothing came or went for this long is closed. Default: 5 min, after
    /// which address translators on the way forget it too.
    pub idle_timeout: Option<Duration>,
    /// A connection that has not completed its first frame this long after it was opened is closed.
    /// Default: 30 s, so that holding a slot costs at least that of being asked for something.
    pub first_frame_timeout: Option<Duration>,
    /// A frame that is not completed this long after its first byte ends its connection, however
    /// steadily bytes dribble in. Default: 30 s.
    pub frame_timeout: Option<Duration>,
    /// A connection that takes no byte of the output that waits for it for this long is closed.
    /// Default: 30 s.
    pub write_timeout: Option<Duration>,
    /// A connection that reaches this age is closed. Default: none, since many are meant to stay.
    pub lifetime: Option<Duration>,
    /// How long a closed connection is still read, and what comes is discarded, so that the answer
    /// before the close is not destroyed by a reset. It ends when the peer closes too. Default:
    /// 1 s, a few round trips of a far peer.
    pub linger_timeout: Duration,
    /// How many bytes are discarded for that at most. Default: 4 MiB.
    pub linger_limit: usize,
    /// How long a drain may take before what is left is cut. Default: 30 s, which is also what
    /// process supervisors commonly allow.
    pub drain_timeout: Duration,

    /// How many bytes one connection may send in one turn before others are served. Default:
    /// 256 KiB, a few read buffers.
    pub read_budget: usize,
    /// How many frames of one connection are run in one turn before others are served. To be told
    /// of [room](crate::Handler::on_writable) counts as one. Default: 1,024.
    pub frame_budget: usize,
    /// How many bytes of output one connection may take for one event, timer or command before
    /// others are served. Default: 1 MiB.
    pub write_budget: usize,
    /// How many peers one listener accepts in one turn. Default: 64.
    pub accept_budget: usize,
    /// How many datagrams one socket receives in one turn, give or take those that come joined in
    /// one piece. Default: 256.
    pub datagram_budget: usize,
    /// What is done for one event, callbacks included, is logged as a warning if it takes this
    /// long, with the connection it was done for. Default: 100 ms, which everybody else waits.
    pub stall_warning: Option<Duration>,
    /// How many deadlines and timers fire in one turn. Default: 1,024.
    pub timer_budget: usize,
    /// How many commands that callbacks and other threads have left are run in one turn; each
    /// receiver of a broadcast is one. Default: 1,024.
    pub command_budget: usize,
    /// How many commands of callbacks can wait at a time. Default: 65,536; a callback that asks for
    /// more is told so.
    pub command_queue_limit: usize,
    /// How many commands of other threads can wait at a time. Default: 4,096, about what a turn
    /// or four can do; the most are 1,048,576, since their places are made at once.
    pub mailbox_len: usize,

    /// The longest datagram that is received whole, in bytes. Default: 65,507, the longest there is
    /// over IPv4.
    pub max_datagram_len: usize,
    /// How many datagrams a socket receives at a time. Default: 64, as many as Linux gives or takes
    /// for one; each has its own room of `max_datagram_len` bytes, which costs memory once it was
    /// used. A socket that one sender sends as many at a time, and at that equal ones, has the
    /// kernel join them; with a smaller batch, it never does.
    pub datagram_batch: usize,
    /// How many bytes of datagrams wait to be sent on one socket before further ones are dropped.
    /// Default: 1 MiB.
    pub datagram_queue_limit: usize,

    /// How long the loop looks for events again and again after the last of them, before it sleeps
    /// until there is one. Whoever sends within this time is answered without the delay of a thread
    /// that must be woken, which for few busy connections is most of a round trip; until it has
    /// passed, the loop takes all of a processor core. Nothing that ends its sleep has to wait for
    /// this to pass: no deadline, signal or other thread, nor the timeout that is given to
    /// [`turn`](crate::Engine::turn). Where another loop does the waiting, it changes nothing.
    /// Default: zero, not at all, since a core is seldom to spare; 1 s is the most.
    pub busy_poll: Duration,

    /// The signals that drain the loop, and stop it at the second. Default: SIGINT and SIGTERM (2
    /// and 15). Empty: none, for a program that sees to its signals itself and calls `drain`.
    pub signals: Vec<i32>,
}

/// What happens to a peer that comes when there are as many connections as there may be.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum AtLimit {
    /// It waits in the kernel's queue until a connection closes.
    #[default]
    Wait,
    /// It is sent these bytes, which may be none, and closed.
    Refuse(Bytes),
    /// The connection that has been idle the longest is closed for it.
    EvictIdle,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_connections: None,
            max_outbound: 0,
            at_limit: AtLimit::Wait,
            socket: SocketOptions::default(),
            read_buffer_len: 60 * KIB,
            high_watermark: 64 * KIB,
            low_watermark: 16 * KIB,
            write_limit: 16 * MIB,
            memory_budget: 256 * MIB,
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Some(Duration::from_secs(300)),
            first_frame_timeout: Some(Duration::from_secs(30)),
            frame_timeout: Some(Duration::from_secs(30)),
            write_timeout: Some(Duration::from_secs(30)),
            lifetime: None,
            linger_timeout: Duration::from_secs(1),
            linger_limit: 4 * MIB,
            drain_timeout: Duration::from_secs(30),
            read_budget: 256 * KIB,
            frame_budget: 1024,
            write_budget: MIB,
            accept_budget: 64,
            datagram_budget: 256,
            stall_warning: Some(Duration::from_millis(100)),
            timer_budget: 1024,
            command_budget: 1024,
            command_queue_limit: 65_536,
            mailbox_len: 4096,
            max_datagram_len: 65_507,
            datagram_batch: 64,
            datagram_queue_limit: MIB,
            busy_poll: Duration::ZERO,
            signals: vec![2, 15],
        }
    }
}

/// So many places can be made at once wherever the loop runs.
const MAX_MAILBOX_LEN: usize = 1 << 20;
/// Beyond this, a loop that looks before it sleeps would hardly ever sleep.
const MAX_BUSY_POLL: Duration = Duration::from_secs(1);

impl Config {
    /// Whether the settings fit together.
    ///
    /// # Errors
    ///
    /// A sentence that says which do not, and what to change.
    pub fn check(&self) -> Result<(), Error> {
        self.check_that_nothing_is_zero()?;
        if self.low_watermark >= self.high_watermark {
            return Err(Error::new(format!(
                "low_watermark ({}) must be below high_watermark ({}): lower the one or raise the \
                 other",
                self.low_watermark, self.high_watermark
            )));
        }
        if self.high_watermark > self.write_limit {
            return Err(Error::new(format!(
                "high_watermark ({}) must not be above write_limit ({}): lower the one or raise \
                 the other",
                self.high_watermark, self.write_limit
            )));
        }
        if self.write_limit > i32::MAX as usize {
            return Err(Error::new(format!(
                "write_limit ({}) must be 2 GiB less one byte at most: lower it",
                self.write_limit
            )));
        }
        if self.mailbox_len > MAX_MAILBOX_LEN {
            return Err(Error::new(format!(
                "mailbox_len ({}) must be {MAX_MAILBOX_LEN} at most: lower it",
                self.mailbox_len
            )));
        }
        if self.max_datagram_len > 65_535 {
            return Err(Error::new(format!(
                "max_datagram_len ({}) must be 65,535 at most: no datagram is longer",
                self.max_datagram_len
            )));
        }
        if self.busy_poll > MAX_BUSY_POLL {
            return Err(Error::new(format!(
                "busy_poll ({:?}) must be {MAX_BUSY_POLL:?} at most, since until it has passed the \
                 loop takes all of a core: lower it",
                self.busy_poll
            )));
        }
        Ok(())
    }

    fn check_that_nothing_is_zero(&self) -> Result<(), Error> {
        let zero = [
            ("max_connections", self.max_connections == Some(0)),
            ("read_buffer_len", self.read_buffer_len == 0),
            ("read_budget", self.read_budget == 0),
            ("frame_budget", self.frame_budget == 0),
            ("write_budget", self.write_budget == 0),
            ("accept_budget", self.accept_budget == 0),
            ("datagram_budget", self.datagram_budget == 0),
            ("timer_budget", self.timer_budget == 0),
            ("command_budget", self.command_budget == 0),
            ("command_queue_limit", self.command_queue_limit == 0),
            ("mailbox_len", self.mailbox_len == 0),
            ("max_datagram_len", self.max_datagram_len == 0),
            ("datagram_batch", self.datagram_batch == 0),
            ("idle_timeout", self.idle_timeout == Some(Duration::ZERO)),
            ("first_frame_timeout", self.first_frame_timeout == Some(Duration::ZERO)),
            ("frame_timeout", self.frame_timeout == Some(Duration::ZERO)),
            ("write_timeout", self.write_timeout == Some(Duration::ZERO)),
            ("lifetime", self.lifetime == Some(Duration::ZERO)),
        ];
        match zero.iter().find(|(_, is_zero)| *is_zero) {
            Some((name, _)) => Err(Error::new(format!(
                "{name} must not be zero: nothing would ever happen; give it a value or leave its \
                 default"
            ))),
            None => Ok(()),
        }
    }

    /// Whether the memory budget has room for the most that one connection may hold.
    pub(crate) fn check_budget(&self, max_frame_len: usize) -> Result<(), Error> {
        let read_len = max_frame_len.max(self.read_buffer_len);
        // Room for output grows by doubling.
        let most = read_len.saturating_add(self.write_limit.saturating_mul(2));
        if most > self.memory_budget {
            return Err(Error::new(format!(
                "memory_budget ({}) must hold what one connection may: an unfinished frame or a \
                 read buffer ({read_len}) and twice the write_limit ({}); raise it to {most} or \
                 lower those",
                self.memory_budget, self.write_limit
            )));
        }
        Ok(())
    }
}

/// How a listener or a UDP socket is set up. What a listener has, its connections inherit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SocketOptions {
    /// How many peers may wait to be accepted; the system may set a lower maximum (on Linux,
    /// `net.core.somaxconn`). One more than this completes its handshake; whoever comes after that
    /// tries again by itself after 1, 3, 7 s. Default: 1,024, a burst that a loop serves within one
    /// retry.
    pub backlog: u32,
    /// Send small writes at once instead of waiting for the acknowledgement of earlier ones
    /// (`TCP_NODELAY`). Default: yes, since the loop joins the writes of a turn itself.
    pub nodelay: bool,
    /// Whether an IPv6 socket takes IPv6 only. Default: yes, so that `[::]` and `0.0.0.0` can be
    /// bound side by side whatever the system's setting.
    pub v6_only: bool,
    /// Allow several sockets on one address, among which the kernel spreads the peers
    /// (`SO_REUSEPORT`). Default: no, since it lets another process take a share unnoticed.
    pub reuse_port: bool,
    /// Ask a silent peer after this time whether it is still there (`SO_KEEPALIVE`). Default: no,
    /// since the idle timeout ends silent connections.
    pub keepalive: Option<Duration>,
    /// Whether a UDP socket has the kernel join equal datagrams of one sender (`UDP_GRO`), on
    /// Linux. Those that come joined, of a sender that sends many with one call, are received with
    /// one call, and any others then with a call each. Default: `None`, which begins with it only
    /// when one sender has sent nothing but long bursts of equal ones for a while, and cannot end
    /// it again. `Some(false)` never begins, for senders of such bursts that send them one by one;
    /// `Some(true)` begins at once.
    pub udp_gro: Option<bool>,
    /// The kernel's send buffer, in bytes (`SO_SNDBUF`). Default: the system's, which adapts.
    pub send_buffer_len: Option<usize>,
    /// The kernel's receive buffer, in bytes (`SO_RCVBUF`). Default: the system's, which adapts.
    pub receive_buffer_len: Option<usize>,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self {
            backlog: 1024,
            nodelay: true,
            v6_only: true,
            reuse_port: false,
            keepalive: None,
            udp_gro: None,
            send_buffer_len: None,
            receive_buffer_len: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(config: &Config) -> String {
        config.check().expect_err("an invalid configuration passed").to_string()
    }

    #[test]
    fn the_defaults_fit_together() {
        Config::default().check().unwrap();
        Config::default().check_budget(1024 * KIB).unwrap();
    }

    #[test]
    fn a_low_watermark_that_is_not_low_is_refused() {
        let config = Config { low_watermark: 64 * KIB, ..Config::default() };
        assert!(refusal(&config).contains("low_watermark (65536) must be below"));
    }

    #[test]
    fn a_high_watermark_above_the_limit_is_refused() {
        let config = Config { write_limit: 64 * KIB - 1, ..Config::default() };
        assert!(refusal(&config).contains("must not be above write_limit (65535)"));
    }

    #[test]
    fn the_greatest_of_each_setting_passes_and_one_more_does_not() {
        let greatest = Config {
            write_limit: i32::MAX as usize,
            mailbox_len: MAX_MAILBOX_LEN,
            max_datagram_len: 65_535,
            busy_poll: MAX_BUSY_POLL,
            ..Config::default()
        };
        greatest.check().unwrap();
        for (name, more) in [
            ("write_limit", Config { write_limit: 1 << 31, ..greatest.clone() }),
            ("mailbox_len", Config { mailbox_len: MAX_MAILBOX_LEN + 1, ..greatest.clone() }),
            ("max_datagram_len", Config { max_datagram_len: 65_536, ..greatest.clone() }),
            ("busy_poll", Config { busy_poll: Duration::from_nanos(1_000_000_001), ..greatest }),
        ] {
            assert!(refusal(&more).starts_with(name), "{}", refusal(&more));
        }
    }

    #[test]
    fn a_zero_is_refused_by_name() {
        let config = Config { frame_budget: 0, ..Config::default() };
        assert!(refusal(&config).starts_with("frame_budget must not be zero"));
        let config = Config { idle_timeout: Some(Duration::ZERO), ..Config::default() };
        assert!(refusal(&config).starts_with("idle_timeout must not be zero"));
    }

    #[test]
    fn a_write_limit_that_cannot_be_counted_is_refused() {
        let config = Config { write_limit: 1 << 31, ..Config::default() };
        assert!(refusal(&config).contains("write_limit (2147483648)"));
    }

    #[test]
    fn a_mailbox_that_could_not_be_made_is_refused() {
        let config = Config { mailbox_len: usize::MAX, ..Config::default() };
        assert!(refusal(&config).contains("must be 1048576 at most"));
    }

    #[test]
    fn a_datagram_longer_than_any_is_refused() {
        let config = Config { max_datagram_len: 65_536, ..Config::default() };
        assert!(refusal(&config).contains("max_datagram_len (65536)"));
    }

    #[test]
    fn a_busy_poll_that_hardly_ends_is_refused() {
        let config = Config { busy_poll: Duration::from_millis(1001), ..Config::default() };
        assert!(refusal(&config).starts_with("busy_poll (1.001s) must be 1s at most"));
        let config = Config { busy_poll: Duration::from_secs(1), ..Config::default() };
        config.check().unwrap();
    }

    #[test]
    fn a_budget_below_one_connection_is_refused() {
        let error = Config::default().check_budget(250 * MIB).expect_err("too small a budget");
        assert!(error.to_string().contains("raise it to 295698432"), "{error}");
    }
}
