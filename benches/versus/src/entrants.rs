//! Who takes part: contenders of this program, and servers of others.

use crate::contenders::{CONTENDERS, Contender};
use crate::options::Extra;
use crate::workload::Protocol;

/// A server that takes part.
#[derive(Clone, Debug)]
pub(crate) struct Entrant {
    pub(crate) name: String,
    /// What it is, in a few words.
    pub(crate) about: String,
    /// What it can speak; of somebody's own server it is found out.
    pub(crate) protocols: Vec<Protocol>,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    /// This program serves, by the contender's name.
    Own,
    /// This command does.
    Extra(Vec<String>),
}

impl Entrant {
    fn own(contender: &Contender) -> Self {
        Self {
            name: contender.name.to_owned(),
            about: contender.about.to_owned(),
            protocols: contender.protocols.to_vec(),
            kind: Kind::Own,
        }
    }

    /// Somebody's own server.
    pub(crate) fn extra(extra: &Extra) -> Self {
        Self {
            name: extra.name.clone(),
            about: extra.command.join(" "),
            protocols: Protocol::ALL.to_vec(),
            kind: Kind::Extra(extra.command.clone()),
        }
    }

    /// Whether it is asked for workloads of this protocol.
    pub(crate) fn speaks(&self, protocol: Protocol) -> bool {
        self.protocols.contains(&protocol)
    }

    /// Whether it is a server of this program.
    pub(crate) fn is_own(&self) -> bool {
        matches!(self.kind, Kind::Own)
    }

    /// The command that serves this protocol; `program` is the path of this one.
    pub(crate) fn command(&self, program: &str, protocol: Protocol) -> Vec<String> {
        match &self.kind {
            Kind::Own => {
                [program, "serve", &self.name, protocol.name()].map(str::to_owned).to_vec()
            }
            Kind::Extra(words) => {
                words.iter().map(|word| word.replace("{protocol}", protocol.name())).collect()
            }
        }
    }
}

/// The contenders of these names, or all, and then the extra servers.
pub(crate) fn entrants(names: Option<&[String]>, extras: &[Extra]) -> Vec<Entrant> {
    let named = |name: &String| CONTENDERS.iter().find(|contender| contender.name == name);
    let own: Vec<&Contender> = match names {
        Some(names) => names.iter().filter_map(named).collect(),
        None => CONTENDERS.iter().collect(),
    };
    own.into_iter().map(Entrant::own).chain(extras.iter().map(Entrant::extra)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocol_takes_its_place_in_a_command() {
        let words = ["./server", "--speak={protocol}", "--fast"];
        let extra = Extra { name: "mine".to_owned(), command: words.map(str::to_owned).to_vec() };
        let mine = Entrant::extra(&extra);
        let command = mine.command("versus", Protocol::Length);
        assert_eq!(command, ["./server", "--speak=length", "--fast"]);
        assert!(!mine.is_own());
    }

    #[test]
    fn a_contender_is_served_by_this_program() {
        let all = entrants(None, &[]);
        assert_eq!(all.len(), CONTENDERS.len());
        for entrant in &all {
            let command = entrant.command("versus", Protocol::Raw);
            assert_eq!(command, ["versus", "serve", &entrant.name, "raw"]);
        }
    }
}
