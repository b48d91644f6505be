//! The smallest server: it answers each line in capitals.
//!
//! ```text
//! cargo run --release --example hello
//! echo hello | nc -N 127.0.0.1 7000
//! ```

use windlass::{Error, Handler, Lines, Server, Session};

struct Shout;

impl Handler for Shout {
    type Codec = Lines;
    type State = ();

    fn on_frame(&mut self, session: &mut Session<'_, Self>, line: &str) -> Result<(), Error> {
        session.send(&line.to_uppercase())
    }
}

fn main() -> Result<(), Error> {
    let report = Server::new().tcp("127.0.0.1:7000", Shout).run()?;
    println!("{report}");
    Ok(())
}
