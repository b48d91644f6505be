//! `/echo`: the body of a request is sent back as it comes.

use windlass::{Error, Session};

use super::exchange::{Doing, Terms};
use super::http1::{Answer, Length, Request, Size, Status};
use super::site::Site;

/// A body that is being sent back: how it comes is how it goes.
pub(crate) struct Echo {
    terms: Terms,
    size: Size,
    has_begun: bool,
}

impl Echo {
    /// Whether anything of the answer was sent.
    pub(crate) const fn has_begun(&self) -> bool {
        self.has_begun
    }
}

impl Site {
    /// Makes ready to send back a body, which may be empty, or there may be none.
    pub(crate) fn echo(
        &self,
        session: &mut Session<'_, Self>,
        request: &Request<'_>,
    ) -> Result<(), Error> {
        let size = match request.length {
            Length::Known(len) => Size::Known(len),
            Length::Chunked => Size::Chunked,
            Length::None => {
                let why = "say how long the body is, or send it in chunks";
                return self.say(session, request, Status::LengthRequired, why);
            }
        };
        // Here, who waits for a word is given it.
        let keep_alive = request.keep_alive && !session.is_draining();
        let terms = Terms { keep_alive, ..Terms::of(request, session.is_draining()) };
        if terms.has_body && request.expects_continue {
            session.send(Answer::Continue)?;
        }
        session.state().doing = Doing::Echoing(Echo { terms, size, has_begun: false });
        session.set_busy(true);
        match terms.has_body {
            true => self.await_body(session),
            false => return self.echo_on(session, b"", true),
        }
        Ok(())
    }

    /// Sends back a piece of a body. The answer begins with the first: until then, it could be
    /// another.
    pub(crate) fn echo_on(
        &self,
        session: &mut Session<'_, Self>,
        bytes: &[u8],
        is_last: bool,
    ) -> Result<(), Error> {
        let Doing::Echoing(echo) = &mut session.state().doing else { return Ok(()) };
        let (mut terms, size) = (echo.terms, echo.size);
        if bytes.is_empty() && !is_last {
            return Ok(());
        }
        if !std::mem::replace(&mut echo.has_begun, true) {
            let fields = [("Content-Type", "application/octet-stream")];
            self.send_head(session, terms, Status::Ok, size, &fields)?;
        }
        let is_chunked = size == Size::Chunked;
        session.send(if is_chunked { Answer::Chunk(bytes) } else { Answer::Piece(bytes) })?;
        if is_last {
            if is_chunked {
                session.send(Answer::End)?;
            }
            terms.has_body = false;
            return self.finish(session, terms);
        }
        Ok(())
    }
}
