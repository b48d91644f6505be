//! What is asked for over HTTP: the page, and sockets.

use windlass::{Error, Session};

use super::handshake::{self, Accept, Refused};
use super::http1::{Answer, Frame, Head, Method, Persistence, Request, Size, Status};
use super::protocol::Message;
use super::service::{Room, Service};

/// The chat for the browser.
const PAGE: &str = include_str!("page.html");

/// The fields of an answer: names and values.
type Fields<'a> = &'a [(&'a str, &'a str)];

const HTML: Fields<'_> = &[("Content-Type", "text/html; charset=utf-8")];
const PLAIN: (&str, &str) = ("Content-Type", "text/plain; charset=utf-8");
const TEXT: Fields<'_> = &[PLAIN];
const ALLOW_PAGE: Fields<'_> = &[PLAIN, ("Allow", "GET, HEAD")];
const ALLOW_SOCKET: Fields<'_> = &[PLAIN, ("Allow", "GET")];
/// What could be asked for (RFC 9110, section 15.5.22, and RFC 6455, section 4.4).
const UPGRADE: Fields<'_> =
    &[PLAIN, ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13")];

impl Service {
    pub(super) fn on_http(
        &mut self,
        session: &mut Session<'_, Self>,
        frame: &Frame<'_>,
    ) -> Result<(), Error> {
        self.clock.advance(session.now());
        match frame {
            Frame::Request(request) => self.request(session, request),
            // Whoever sends one is closed, and nothing of it is of interest.
            Frame::Body { .. } => Ok(()),
            Frame::Refused(refused) => {
                let (status, body) = (refused.status, refused.why);
                self.answer(session, Page { status, fields: TEXT, body }, Asked::NO_MORE)
            }
        }
    }

    /// A request was begun and does not end. The connection is closed.
    pub(super) fn on_late_request(&mut self, session: &mut Session<'_, Self>) -> Result<(), Error> {
        self.clock.advance(session.now());
        self.put(session, LATE, Asked::NO_MORE)
    }

    fn request(
        &mut self,
        session: &mut Session<'_, Self>,
        request: &Request<'_>,
    ) -> Result<(), Error> {
        let asked = Asked::by(request, session.is_draining());
        let room = match (request.path, request.method) {
            (b"/chat", _) => Room::Chat,
            (b"/echo", _) => Room::Echo,
            (b"/", Method::Get | Method::Head) => return self.answer(session, CHAT, asked),
            (b"/", _) => return self.answer(session, NOT_ALLOWED, asked),
            _ => return self.answer(session, NOT_FOUND, asked),
        };
        match handshake::accept(request, &self.rules.origins) {
            Ok(accept) => {
                self.open_socket(session, accept)?;
                self.enter(session, room)
            }
            Err(refused) => self.answer(session, refused.into(), asked),
        }
    }

    /// The last answer of HTTP: from here on, the connection is a socket (RFC 6455, section 4.2.2).
    fn open_socket(&self, session: &mut Session<'_, Self>, accept: Accept) -> Result<(), Error> {
        session.send(Message::Http(Answer::Head(Head {
            status: Status::SwitchingProtocols,
            date: self.clock.date(),
            size: Size::None,
            persistence: Persistence::Stays,
            fields: &[
                ("Upgrade", "websocket"),
                ("Connection", "Upgrade"),
                ("Sec-WebSocket-Accept", accept.as_str()),
            ],
        })))?;
        session.codec().open_socket();
        Ok(())
    }

    fn answer(
        &self,
        session: &mut Session<'_, Self>,
        page: Page,
        asked: Asked,
    ) -> Result<(), Error> {
        self.put(session, page, asked)?;
        if asked.persistence == Persistence::Closes {
            session.close();
        }
        Ok(())
    }

    fn put(&self, session: &mut Session<'_, Self>, page: Page, asked: Asked) -> Result<(), Error> {
        let Page { status, fields, body } = page;
        session.send(Message::Http(Answer::Head(Head {
            status,
            date: self.clock.date(),
            size: Size::Known(body.len() as u64),
            persistence: asked.persistence,
            fields,
        })))?;
        if !asked.is_head {
            session.send(Message::Http(Answer::Piece(body.as_bytes())))?;
        }
        Ok(())
    }
}

/// What is answered.
#[derive(Clone, Copy)]
struct Page {
    status: Status,
    fields: Fields<'static>,
    body: &'static str,
}

const CHAT: Page = Page { status: Status::Ok, fields: HTML, body: PAGE };
const NOT_FOUND: Page =
    Page { status: Status::NotFound, fields: TEXT, body: "there are /, /chat and /echo" };
const LATE: Page =
    Page { status: Status::RequestTimeout, fields: TEXT, body: "the request did not end in time" };
const NOT_ALLOWED: Page = Page {
    status: Status::MethodNotAllowed,
    fields: ALLOW_PAGE,
    body: "the page can only be read",
};

impl From<Refused> for Page {
    fn from(refused: Refused) -> Self {
        let (status, fields) = match refused {
            Refused::Method => (Status::MethodNotAllowed, ALLOW_SOCKET),
            Refused::NoUpgrade | Refused::Version => (Status::UpgradeRequired, UPGRADE),
            Refused::Body | Refused::Key => (Status::BadRequest, TEXT),
            Refused::Origin => (Status::Forbidden, TEXT),
        };
        Self { status, fields, body: refused.why() }
    }
}

/// How a request wants to be answered.
#[derive(Clone, Copy)]
struct Asked {
    /// The head of the answer is enough.
    is_head: bool,
    /// What becomes of the connection after it.
    persistence: Persistence,
}

impl Asked {
    /// By whom nothing more can be asked.
    const NO_MORE: Self = Self { is_head: false, persistence: Persistence::Closes };

    fn by(request: &Request<'_>, is_draining: bool) -> Self {
        // A body is not waited for.
        let keep_alive = request.keep_alive && !request.length.has_body() && !is_draining;
        let persistence = Persistence::of(request.version, keep_alive);
        Self { is_head: request.method == Method::Head, persistence }
    }
}
