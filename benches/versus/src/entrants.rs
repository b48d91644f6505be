//! Who takes part: contenders of this program, examples of the crate, and servers of others.

use std::path::Path;

use crate::contenders::{CONTENDERS, Contender, Threads};
use crate::examples::Example;
use crate::options::Extra;
use crate::results::OURS;
use crate::rivals::Rival;
use crate::server::{Listens, Target};
use crate::trouble::Trouble;
use crate::workload::{Protocol, Shape, Workload};

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
    /// Of these examples, the one of the protocol does.
    Examples(Vec<Example>),
    /// This server of others does.
    Rival(&'static Rival),
}

impl Entrant {
    /// A contender of this program.
    pub(crate) fn own(contender: &Contender) -> Self {
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
            protocols: Protocol::ECHOES.to_vec(),
            kind: Kind::Extra(extra.command.clone()),
        }
    }

    /// Examples of the crate: in their protocols, they are what windlass is in echoes.
    pub(crate) fn examples(examples: &[Example]) -> Self {
        let names: Vec<_> = examples.iter().map(|example| example.protocol.name()).collect();
        Self {
            name: OURS.to_owned(),
            about: format!("the examples of this crate: {}", names.join(", ")),
            protocols: examples.iter().map(|example| example.protocol).collect(),
            kind: Kind::Examples(examples.to_vec()),
        }
    }

    /// A server of others.
    pub(crate) fn rival(rival: &'static Rival) -> Self {
        let version = rival.version().unwrap_or_else(|| "of an unknown version".to_owned());
        Self {
            name: rival.name.to_owned(),
            about: format!("{}: {version}", rival.about),
            protocols: vec![rival.protocol],
            kind: Kind::Rival(rival),
        }
    }

    /// Whether it is asked for this.
    pub(crate) fn takes(&self, workload: &Workload) -> bool {
        // Contenders have the same answer to every request, and no store.
        let has_store = !matches!(self.kind, Kind::Own);
        let needs_store = match workload.shape {
            Shape::Asks { ask, .. } | Shape::Tool { ask, .. } => ask.needs_store(),
            Shape::Keys { .. } => true,
            _ => false,
        };
        self.protocols.contains(&workload.protocol) && (has_store || !needs_store)
    }

    /// What is started to serve this protocol; `program` is the path of this one.
    ///
    /// # Errors
    /// If what it needs cannot be written.
    pub(crate) fn target(&self, program: &Path, protocol: Protocol) -> Result<Target, Trouble> {
        let command = match &self.kind {
            Kind::Examples(examples) => {
                let found = examples.iter().find(|example| example.protocol == protocol);
                return found.ok_or_else(|| Trouble::new("there is no such example"))?.target();
            }
            Kind::Rival(rival) => return rival.target(),
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
        let (name, listens) = (self.name.clone(), Listens::Says);
        Ok(Target { name, command, listens, cores: 1, _folder: None })
    }
}

/// The contenders of these names, or all that echo, and then the extra servers.
pub(crate) fn entrants(names: Option<&[String]>, extras: &[Extra]) -> Vec<Entrant> {
    let named = |name: &String| CONTENDERS.iter().find(|contender| contender.name == name);
    let own: Vec<&Contender> = match names {
        Some(names) => names.iter().filter_map(named).collect(),
        None => CONTENDERS.iter().filter(|contender| contender.echoes()).collect(),
    };
    own.into_iter().map(Entrant::own).chain(extras.iter().map(Entrant::extra)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rivals::RIVALS;
    use crate::workload::REAL_WORKLOADS;

    #[test]
    fn the_protocol_takes_its_place_in_a_command() {
        let words = ["./server", "--speak={protocol}", "--fast"];
        let extra = Extra { name: "mine".to_owned(), command: words.map(str::to_owned).to_vec() };
        let mine = Entrant::extra(&extra);
        let target = mine.target(Path::new("versus"), Protocol::Length).unwrap();
        assert_eq!(target.command, ["./server", "--speak=length", "--fast"]);
    }

    #[test]
    fn a_contender_is_served_by_this_program() {
        let all = entrants(None, &[]);
        let echoing = CONTENDERS.iter().filter(|contender| contender.echoes());
        assert_eq!(all.len(), echoing.count());
        for entrant in &all {
            let target = entrant.target(Path::new("versus"), Protocol::Raw).unwrap();
            assert_eq!(target.command, ["versus", "serve", &entrant.name, "raw"]);
        }
    }

    #[test]
    fn a_contender_is_not_asked_for_what_needs_a_store() {
        let all = entrants(Some(&["epoll".to_owned(), "hyper".to_owned()]), &[]);
        let takes = |at: usize| {
            let taken = REAL_WORKLOADS.iter().filter(|workload| all[at].takes(workload));
            taken.map(|workload| workload.name).collect::<Vec<_>>()
        };
        assert_eq!(takes(0), ["http-16", "http-1", "ping-16", "tool-ping-16", "dns-32"]);
        assert_eq!(takes(1), ["http-16", "http-1"]);
        let redis = RIVALS.iter().find(|rival| rival.name == "redis").map(Entrant::rival).unwrap();
        let kv = REAL_WORKLOADS.iter().filter(|workload| workload.protocol == Protocol::Kv);
        assert!(kv.clone().all(|workload| redis.takes(workload)));
    }
}
