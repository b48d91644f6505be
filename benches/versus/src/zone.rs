//! The zone that DNS servers are asked about: hosts that each have an address of both kinds.
//!
//! It is made here and not kept in a file, since whoever asks has to know what is in it.

use std::fmt::Write as _;

/// What all names end in.
pub(crate) const ORIGIN: &str = "bench.example.";
const HOSTS: u32 = 1_000;

/// The types of the records that are asked for.
const A: u16 = 1;
const AAAA: u16 = 28;
/// The class of all.
const IN: u16 = 1;

/// The zone file (RFC 1035, section 5).
pub(crate) fn file() -> String {
    let mut text = format!(
        "$ORIGIN {ORIGIN}\n$TTL 3600\n\
         @ IN SOA ns hostmaster 1 7200 3600 1209600 300\n@ IN NS ns\nns IN A 192.0.2.1\n"
    );
    for host in 0..HOSTS {
        let (high, low) = (host / 250, host % 250);
        let name = name(host);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name} IN A 10.0.{high}.{low}\n{name} IN AAAA 2001:db8::{host:x}");
    }
    text
}

fn name(host: u32) -> String {
    format!("host{host:04}")
}

/// All questions, each a whole message with zero as its id (RFC 1035, section 4).
pub(crate) fn questions() -> Vec<Vec<u8>> {
    let types = |host| [A, AAAA].map(|kind| question(&format!("{}.{ORIGIN}", name(host)), kind));
    (0..HOSTS).flat_map(types).collect()
}

fn question(name: &str, kind: u16) -> Vec<u8> {
    let mut message = vec![0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        // The last label is empty: it is the root, behind the last dot.
        message.extend(u8::try_from(label.len()));
        message.extend_from_slice(label.as_bytes());
    }
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&IN.to_be_bytes());
    message
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_question_is_written_as_labels() {
        let expected = b"\0\0\0\0\0\x01\0\0\0\0\0\0\x08host0000\x05bench\x07example\0\0\x1c\0\x01";
        assert_eq!(questions()[1], expected);
    }

    #[test]
    fn no_question_is_asked_twice() {
        let questions = questions();
        let different: BTreeSet<&Vec<u8>> = questions.iter().collect();
        assert_eq!((different.len(), questions.len()), (2_000, 2_000));
    }

    #[test]
    fn every_host_has_both_addresses() {
        let file = file();
        assert!(file.contains("\nhost0999 IN A 10.0.3.249\nhost0999 IN AAAA 2001:db8::3e7\n"));
        assert_eq!(file.lines().filter(|line| line.starts_with("host")).count(), 2_000);
    }
}
