//! `/events`: server-sent events (HTML Living Standard, section 9.2), with a timer for each
//! listener.

use std::fmt::Write;

use windlass::{Error, Session};

use super::exchange::{Doing, Terms};
use super::http1::{Answer, Method, Request, Size, Status, Version};
use super::site::{EVENT, Site};

/// A listener, and what it is told next.
pub(crate) struct Telling {
    next_id: u64,
    /// Whether the end can be told: to HTTP/1.0, it is that of the connection.
    is_chunked: bool,
}

impl Site {
    /// Begins to tell events: after the one that the client says it has had, if any.
    pub(crate) fn begin_events(
        &self,
        session: &mut Session<'_, Self>,
        request: &Request<'_>,
    ) -> Result<(), Error> {
        let mut terms = Terms::of(request, session.is_draining());
        let is_chunked = terms.version == Version::Http11;
        // Nothing can come after events but their end.
        terms.keep_alive &= is_chunked;
        let size = if is_chunked { Size::Chunked } else { Size::UntilClose };
        let fields = [("Content-Type", "text/event-stream"), ("Cache-Control", "no-store")];
        self.send_head(session, terms, Status::Ok, size, &fields)?;
        if request.method == Method::Head {
            return self.finish(session, terms);
        }
        let last_id = request.field("last-event-id").and_then(|id| str::from_utf8(id).ok());
        let next_id =
            last_id.and_then(|id| id.parse().ok()).map_or(0, |id: u64| id.wrapping_add(1));
        session.state().doing = Doing::Telling(Telling { next_id, is_chunked });
        // What is asked for next would have to wait for ever.
        session.pause();
        session.set_interval(EVENT, self.pace.event_interval);
        self.tell(session)?;
        // Browsers come back after an end, but not after a refusal.
        if session.is_draining() { self.end_events(session) } else { Ok(()) }
    }

    /// Tells an event. Who has not taken the one before misses it.
    pub(crate) fn tell(&self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        let waiting = session.queued_len();
        let Doing::Telling(telling) = &mut session.state().doing else { return Ok(()) };
        let (id, is_chunked) = (telling.next_id, telling.is_chunked);
        telling.next_id = id.wrapping_add(1);
        if waiting > 0 {
            return Ok(());
        }
        let mut event = String::new();
        let date = String::from_utf8_lossy(self.clock.date());
        // A string takes all that is written to it.
        let _ = write!(event, "id: {id}\ndata: {date}\n\n");
        let event = event.as_bytes();
        session.send(if is_chunked { Answer::Chunk(event) } else { Answer::Piece(event) })
    }

    /// The server goes down: there are no more events.
    pub(crate) fn end_events(&self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        let Doing::Telling(telling) = &session.state().doing else { return Ok(()) };
        if telling.is_chunked {
            session.send(Answer::End)?;
        }
        session.close();
        Ok(())
    }
}
