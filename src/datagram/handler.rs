//! The application's side of a UDP socket.

use std::net::SocketAddr;

use super::DatagramSession;
use crate::error::Error;

/// What an application does with the datagrams of a UDP socket.
///
/// A panic in a callback ends with it, is counted and logged: the socket goes on, with what was
/// sent before.
///
/// ```
/// use std::net::SocketAddr;
/// use windlass::{DatagramHandler, DatagramSession, Error};
///
/// struct Echo;
///
/// impl DatagramHandler for Echo {
///     fn on_datagram(
///         &mut self,
///         session: &mut DatagramSession<'_>,
///         sender: SocketAddr,
///         payload: &[u8],
///     ) -> Result<(), Error> {
///         session.send_to(sender, payload)
///     }
/// }
/// ```
pub trait DatagramHandler: 'static {
    /// The server was built, and will turn: the moment to set timers.
    ///
    /// # Errors
    ///
    /// Fail [`Server::build`](crate::Server::build), and so does a panic.
    fn on_start(&mut self, session: &mut DatagramSession<'_>) -> Result<(), Error> {
        let _ = session;
        Ok(())
    }

    /// A datagram has come from `sender`. It may be empty. Who claims to have sent it need not
    /// have: an answer that is longer than the question makes a weapon of the server.
    ///
    /// # Errors
    ///
    /// Are logged; the socket goes on.
    fn on_datagram(
        &mut self,
        session: &mut DatagramSession<'_>,
        sender: SocketAddr,
        payload: &[u8],
    ) -> Result<(), Error>;

    /// A datagram has come that is longer than
    /// [`max_datagram_len`](crate::Config::max_datagram_len), of which only the beginning is here.
    /// Unless told otherwise, it is dropped.
    ///
    /// # Errors
    ///
    /// Are logged; the socket goes on.
    fn on_truncated(
        &mut self,
        session: &mut DatagramSession<'_>,
        sender: SocketAddr,
        beginning: &[u8],
    ) -> Result<(), Error> {
        let _ = (session, sender, beginning);
        Ok(())
    }

    /// A timer that was set with [`DatagramSession::set_timer`] or
    /// [`DatagramSession::set_interval`] under this `key` has come due.
    ///
    /// # Errors
    ///
    /// Are logged; the socket goes on.
    fn on_timer(&mut self, session: &mut DatagramSession<'_>, key: u32) -> Result<(), Error> {
        let _ = (session, key);
        Ok(())
    }

    /// The loop has begun to drain: the moment to say goodbye. Datagrams that have come until now
    /// are still handled, then the socket is closed as soon as all is sent.
    ///
    /// # Errors
    ///
    /// Are logged.
    fn on_drain(&mut self, session: &mut DatagramSession<'_>) -> Result<(), Error> {
        let _ = session;
        Ok(())
    }
}
