//! That every rival that is installed starts, answers right, and ends.

use std::path::PathBuf;

use super::*;
use crate::cores::Cores;
use crate::load::{Plan, Until, played};
use crate::server::Server;
use crate::workload::{REAL_WORKLOADS, Shape, Workload};

#[test]
fn a_rival_that_is_not_installed_is_left_out_with_its_package() {
    let rival = Rival { program: "no-such-program", ..nginx::RIVAL };
    let trouble = rival.target().err().unwrap().to_string();
    assert_eq!(trouble, "nginx is left out: it is not installed (Debian has it as nginx)");
    assert_eq!(rival.version(), None);
}

#[test]
fn every_rival_that_is_there_answers_right() {
    let cores = Cores::share_to_count(1).unwrap();
    for rival in RIVALS {
        let Ok(program) = rival.program() else {
            eprintln!("{} is not installed", rival.name);
            continue;
        };
        assert!(program.is_absolute());
        assert!(rival.version().is_some_and(|version| version.contains('.')), "{}", rival.name);
        let target = rival.target().unwrap();
        let folder: PathBuf = target._folder.as_ref().unwrap().path().to_owned();
        let server = Server::start(&target, &[], rival.protocol, &cores.server).unwrap();
        assert_eq!(Listens::At(server.address()), target.listens);
        assert!(server.resident_bytes().unwrap() > 0);
        for workload in REAL_WORKLOADS.iter().filter(|it| it.protocol == rival.protocol) {
            ask(&server, workload);
        }
        server.end(Ok(())).unwrap();
        drop(target);
        assert!(!folder.exists());
    }
}

/// Lets the load ask, which compares every byte.
fn ask(server: &Server, workload: &Workload) {
    let Shape::Asks { .. } = workload.shape else { return };
    let (protocol, shape) = (workload.protocol, workload.shape);
    let [warm, stretch] = [10, 3_000].map(Until::Replies);
    let plan = Plan { address: server.address(), protocol, shape, warm, stretch };
    assert_eq!(played(&plan), Ok(3_000), "{}", workload.name);
}

#[test]
fn a_port_that_is_given_is_free_for_both() {
    let address = free_address().unwrap();
    assert!(TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok());
}
