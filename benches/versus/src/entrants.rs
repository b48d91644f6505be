//! Who takes part: contenders of this program, and servers of others.

use std::path::Path;

use crate::contenders::{CONTENDERS, Contender, Threads};
use crate::options::Extra;
use crate::server::Target;
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
            about: match contender.threads {
                Threads::One => contender.about.to_owned(),
                Threads::Many => format!("{}; its threads share one core", contender.about),
            },
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

    /// What is started to serve this protocol; `program` is the path of this one.
    pub(crate) fn target(&self, program: &Path, protocol: Protocol) -> Target {
        let command = match &self.kind {
            Kind::Own => vec![
                program.into(),
                "serve".into(),
                self.name.clone().into(),
                protocol.name().into(),
            ],
            Kind::Extra(words) => words
                .iter()
                .map(|word| word.replace("{protocol}", protocol.name()).into())
                .collect(),
        };
        // One core for all: what a second thread could do on a second core is another question.
        Target { name: self.name.clone(), command, cores: 1 }
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
        let target = mine.target(Path::new("versus"), Protocol::Length);
        assert_eq!(target.command, ["./server", "--speak=length", "--fast"]);
    }

    #[test]
    fn a_contender_is_served_by_this_program() {
        let all = entrants(None, &[]);
        assert_eq!(all.len(), CONTENDERS.len());
        for entrant in &all {
            let target = entrant.target(Path::new("versus"), Protocol::Raw);
            assert_eq!(target.command, ["versus", "serve", &entrant.name, "raw"]);
        }
    }
}
