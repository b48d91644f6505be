//! What layers were promised, whichever they are.

use windlass::middleware::{ConnectionContext, Middleware, Verdict};

use crate::gated::Gated;

/// Allows frames of ten bytes, and does not look at any.
struct Narrow;

impl Middleware for Narrow {
    fn on_open(&mut self, connection: &mut ConnectionContext<'_>) -> Verdict {
        connection.limit_frames(Some(10));
        Verdict::Continue
    }
}

#[test]
fn a_limit_of_frames_holds_though_no_layer_looks_at_them() {
    let mut gated = Gated::behind(|server| server.middleware(Narrow));
    let peer = gated.join("198.51.100.1:4000");
    gated.send(peer, "nine byte");
    gated.send(peer, "\n");
    assert_eq!(gated.answer(peer), "nine byte\n");
    gated.send(peer, "ten bytes.\n");
    assert_eq!((gated.is_open(peer), &gated.answer(peer)[..]), (false, ""));
}
