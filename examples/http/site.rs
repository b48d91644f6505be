//! What is served where, and the answers that are short.

use std::time::Duration;

use windlass::{CloseReason, Error, Handler, Session};

use super::exchange::{Doing, Exchange, Terms};
use super::files::Files;
use super::http1::{Answer, Clock, Frame, Http1, Method, Refused, Request, Size, Status};
use super::ready::Ready;

/// The handler.
pub(crate) struct Site {
    pub(crate) clock: Clock,
    plain: Ready,
    json: Ready,
    page: Ready,
    pub(crate) files: Option<Files>,
    pub(crate) pace: Pace,
}

/// How long things take.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) event_interval: Duration,
    /// What each [`FRESH_LEN`] bytes of a body may take.
    pub(crate) body_timeout: Duration,
}

/// So much of a body must come in each body timeout: who sends less holds a connection for nothing.
const FRESH_LEN: u64 = 16 << 10;

/// The timer that ends with whose body comes too slowly.
const BODY: u32 = 0;
/// The timer for the next event.
pub(crate) const EVENT: u32 = 1;

impl Handler for Site {
    type Codec = Http1;
    type State = Exchange;

    #[inline(always)]
    fn on_frame(&mut self, session: &mut Session<'_, Self>, frame: Frame<'_>) -> Result<(), Error> {
        self.keep_time(session);
        match frame {
            Frame::Request(request) => self.serve(session, &request),
            Frame::Body { bytes, is_last } => self.take(session, bytes, is_last),
            Frame::Refused(refused) => self.refuse(session, refused),
        }
    }

    fn on_timer(&mut self, session: &mut Session<'_, Self>, key: u32) -> Result<(), Error> {
        self.keep_time(session);
        match key {
            EVENT => self.tell(session),
            _ => self.hurry(session),
        }
    }

    fn on_writable(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        self.send_on(session)
    }

    fn on_farewell(
        &mut self,
        session: &mut Session<'_, Self>,
        reason: &CloseReason,
    ) -> Result<(), Error> {
        let is_late = matches!(
            reason,
            CloseReason::FirstFrameTimeout | CloseReason::FrameTimeout | CloseReason::IdleTimeout
        );
        // Whoever has asked for nothing is owed no answer: browsers connect before they know
        // whether they will ask, and would take it for that of another request.
        if !is_late || !session.codec().is_amid_request() {
            return Ok(());
        }
        self.keep_time(session);
        self.say_last(session, Status::RequestTimeout, "the request came too slowly")
    }

    fn on_drain(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        self.end_events(session)
    }
}

impl Site {
    pub(crate) fn new(clock: Clock, files: Option<Files>, pace: Pace) -> Self {
        let ready = |kind, body| Ready::new(kind, body, clock.date());
        Self {
            plain: ready("text/plain; charset=utf-8", b"Hello, World!"),
            json: ready("application/json", br#"{"message":"Hello, World!"}"#),
            page: ready("text/html; charset=utf-8", include_bytes!("page.html")),
            clock,
            files,
            pace,
        }
    }

    /// Whatever is answered next has the date of now.
    #[inline(always)]
    fn keep_time(&mut self, session: &Session<'_, Self>) {
        if self.clock.advance(session.now()) {
            for ready in [&mut self.plain, &mut self.json, &mut self.page] {
                ready.stamp(self.clock.date());
            }
        }
    }

    #[inline(always)]
    fn serve(
        &mut self,
        session: &mut Session<'_, Self>,
        request: &Request<'_>,
    ) -> Result<(), Error> {
        if request.is_plain
            && !session.is_draining()
            && let Some(ready) = self.ready(request.path)
        {
            return session.send(Answer::Ready(ready.written()));
        }
        self.serve_other(session, request)
    }

    /// The answer that is ready for this path.
    #[inline(always)]
    fn ready(&self, path: &[u8]) -> Option<&Ready> {
        match path {
            b"/" => Some(&self.plain),
            b"/json" => Some(&self.json),
            b"/page" => Some(&self.page),
            _ => None,
        }
    }

    fn serve_ready(
        &self,
        session: &mut Session<'_, Self>,
        request: &Request<'_>,
        ready: &Ready,
    ) -> Result<(), Error> {
        match request.method {
            Method::Get | Method::Head => {
                let terms = Terms::of(request, session.is_draining());
                let fields = [("Content-Type", ready.kind)];
                self.answer(session, terms, Status::Ok, &fields, ready.body)
            }
            _ => self.say_methods(session, request, "GET, HEAD, OPTIONS"),
        }
    }

    fn serve_other(
        &mut self,
        session: &mut Session<'_, Self>,
        request: &Request<'_>,
    ) -> Result<(), Error> {
        if let Some(ready) = self.ready(request.path) {
            return self.serve_ready(session, request, ready);
        }
        match (request.path, request.method) {
            (b"/echo", Method::Post | Method::Put) => self.echo(session, request),
            (b"/echo", _) => self.say_methods(session, request, "POST, PUT, OPTIONS"),
            (b"/events", Method::Get | Method::Head) => self.begin_events(session, request),
            (b"/events", _) => self.say_methods(session, request, "GET, HEAD, OPTIONS"),
            (b"*", _) => self.say_methods(session, request, "GET, HEAD, POST, PUT, OPTIONS"),
            (path, method) => match (path.strip_prefix(b"/files/"), method) {
                (Some(path), Method::Get | Method::Head) => self.send_file(session, request, path),
                (Some(_), _) => self.say_methods(session, request, "GET, HEAD, OPTIONS"),
                (None, _) => self.say(session, request, Status::NotFound, "there is nothing here"),
            },
        }
    }

    /// Says what can be done here, to whoever asks, or asks for something else.
    fn say_methods(
        &self,
        session: &mut Session<'_, Self>,
        request: &Request<'_>,
        allowed: &str,
    ) -> Result<(), Error> {
        let terms = Terms::of(request, session.is_draining());
        let fields = [("Allow", allowed), TEXT];
        match request.method {
            Method::Options => {
                self.send_head(session, terms, Status::NoContent, Size::None, &fields[..1])?;
                self.finish(session, terms)
            }
            _ => {
                let text = text(Status::MethodNotAllowed, "this cannot be done here");
                let text = text.as_bytes();
                self.answer(session, terms, Status::MethodNotAllowed, &fields, text)
            }
        }
    }

    /// Answers with a line of text.
    pub(crate) fn say(
        &self,
        session: &mut Session<'_, Self>,
        request: &Request<'_>,
        status: Status,
        why: &str,
    ) -> Result<(), Error> {
        let terms = Terms::of(request, session.is_draining());
        self.answer(session, terms, status, &[TEXT], text(status, why).as_bytes())
    }

    /// Answers with all that is said about a request.
    fn answer(
        &self,
        session: &mut Session<'_, Self>,
        terms: Terms,
        status: Status,
        fields: &[(&str, &str)],
        body: &[u8],
    ) -> Result<(), Error> {
        self.send_head(session, terms, status, Size::Known(body.len() as u64), fields)?;
        if !terms.is_head {
            session.send(Answer::Piece(body))?;
        }
        self.finish(session, terms)
    }

    pub(crate) fn send_head(
        &self,
        session: &mut Session<'_, Self>,
        terms: Terms,
        status: Status,
        size: Size,
        fields: &[(&str, &str)],
    ) -> Result<(), Error> {
        session.send(Answer::Head(terms.head(status, self.clock.date(), size, fields)))
    }

    /// The answer is complete: what comes of the request's body matters to nobody any more.
    pub(crate) fn finish(
        &self,
        session: &mut Session<'_, Self>,
        terms: Terms,
    ) -> Result<(), Error> {
        session.state().doing = Doing::Waiting;
        session.set_busy(false);
        if !terms.keep_alive {
            session.close();
        } else if terms.has_body {
            session.state().doing = Doing::Discarding;
            self.await_body(session);
        }
        Ok(())
    }

    /// What is no request is answered, and the connection closed.
    #[cold]
    fn refuse(&self, session: &mut Session<'_, Self>, refused: Refused) -> Result<(), Error> {
        let Refused { status, why } = refused;
        log::debug!("{}: {}: {why}", session.peer(), status.text());
        self.say_last(session, status, why)?;
        session.close();
        Ok(())
    }

    /// Says why the connection is closed, unless another answer has begun: that must not be taken
    /// for whole.
    fn say_last(
        &self,
        session: &mut Session<'_, Self>,
        status: Status,
        why: &str,
    ) -> Result<(), Error> {
        let is_answering = match &session.state().doing {
            Doing::Waiting => false,
            Doing::Echoing(echo) => echo.has_begun(),
            Doing::Discarding | Doing::Sending(_) | Doing::Telling(_) => true,
        };
        if is_answering {
            return Ok(());
        }
        let text = text(status, why);
        let size = Size::Known(text.len() as u64);
        self.send_head(session, Terms::last(), status, size, &[TEXT])?;
        session.send(Answer::Piece(text.as_bytes()))
    }

    /// A piece of a body has come.
    fn take(
        &mut self,
        session: &mut Session<'_, Self>,
        bytes: &[u8],
        is_last: bool,
    ) -> Result<(), Error> {
        let exchange = session.state();
        exchange.fresh_len += bytes.len() as u64;
        if is_last {
            session.cancel_timer(BODY);
        } else if exchange.fresh_len >= FRESH_LEN {
            self.await_body(session);
        }
        if let Doing::Echoing(_) = session.state().doing {
            return self.echo_on(session, bytes, is_last);
        }
        if is_last {
            session.state().doing = Doing::Waiting;
        }
        Ok(())
    }

    /// A body is to come, or the next part of it.
    pub(crate) fn await_body(&self, session: &mut Session<'_, Self>) {
        session.state().fresh_len = 0;
        session.set_timer(BODY, self.pace.body_timeout);
    }

    /// Of a body, not enough has come in time.
    fn hurry(&self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        // Unless it was not read, since what was sent back of it was not.
        if session.queued_len() > 0 {
            self.await_body(session);
            return Ok(());
        }
        self.say_last(session, Status::RequestTimeout, "the body came too slowly")?;
        session.close();
        Ok(())
    }
}

/// The form of what is said for people.
const TEXT: (&str, &str) = ("Content-Type", "text/plain; charset=utf-8");

/// A status, and why it is, as a line.
fn text(status: Status, why: &str) -> String {
    format!("{}: {why}\n", status.text())
}
