//! That keys are asked for as they must be, and that a store that does wrong is found out.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::thread;

use super::*;
use crate::workload::{Protocol, Shape};

fn said(keys: &Keys, from: u64, count: u64) -> String {
    let mut requests = Vec::new();
    keys.ask(0, from, count, &mut requests);
    String::from_utf8(requests).unwrap()
}

#[test]
fn a_connection_comes_to_every_key() {
    let keys = Keys::new(Ask::Get, Ask::KEYS);
    let met: BTreeSet<Key> = (0..u64::from(Ask::KEYS)).map(|number| keys.key(7, number)).collect();
    assert_eq!(met.len(), Ask::KEYS as usize);
}

#[test]
fn what_is_set_is_what_has_to_come_back() {
    let mut keys = Keys::new(Ask::Mixed, 5);
    let value = "key:000000000000".repeat(4);
    let set = format!("*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000000\r\n$64\r\n{value}\r\n");
    assert_eq!(said(&keys, 0, 1), set);
    assert_eq!(said(&keys, 5, 1), "*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000000\r\n");
    assert_eq!(keys.answers(0, 0, 9), (&b"+OK\r\n"[..], 1));
    assert_eq!(keys.answers(0, 5, 9), (format!("$64\r\n{value}\r\n").as_bytes(), 1));
}

#[test]
fn answers_to_sets_are_compared_together() {
    let mut keys = Keys::new(Ask::Set, 5);
    assert_eq!(keys.answers(0, 3, 2), (&b"+OK\r\n+OK\r\n"[..], 2));
}

/// What a server keeps, and how many values it was given.
type Store = (BTreeMap<Vec<u8>, Vec<u8>>, usize);

/// A server that does something with the n-th value that it is given.
fn server(change: fn(usize, &mut Vec<u8>)) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let store = Arc::new(Mutex::new(Store::default()));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let store = Arc::clone(&store);
            thread::spawn(move || serve(stream, &store, change));
        }
    });
    address
}

/// Both commands have one length each, and the key lies at the same place in both.
const KEY: Range<usize> = 18..34;
const VALUE: Range<usize> = 41..105;
const SET_LEN: usize = 107;
const GET_LEN: usize = 36;

fn serve(mut stream: TcpStream, store: &Mutex<Store>, change: fn(usize, &mut Vec<u8>)) {
    let (mut input, mut buffer) = (Vec::new(), [0; 65_536]);
    while let Ok(len @ 1..) = stream.read(&mut buffer) {
        input.extend_from_slice(&buffer[..len]);
        let (mut answers, mut taken) = (Vec::new(), 0);
        let (values, given) = &mut *store.lock().unwrap();
        while let Some(is_set) = input.get(taken + 1).map(|count| *count == b'3') {
            let len = if is_set { SET_LEN } else { GET_LEN };
            let Some(command) = input.get(taken..taken + len) else { break };
            if is_set {
                let mut value = command[VALUE].to_vec();
                change(*given, &mut value);
                *given += 1;
                values.insert(command[KEY].to_vec(), value);
                answers.extend_from_slice(b"+OK\r\n");
            } else {
                let value = values.get(&command[KEY]).map_or(&[][..], Vec::as_slice);
                answers.extend_from_slice(format!("${}\r\n", value.len()).as_bytes());
                answers.extend_from_slice(value);
                answers.extend_from_slice(b"\r\n");
            }
            taken += len;
        }
        input.drain(..taken);
        if stream.write_all(&answers).is_err() {
            return;
        }
    }
}

fn replies(ask: Ask, change: fn(usize, &mut Vec<u8>)) -> Result<u64, Trouble> {
    let shape = Shape::Asks { ask, connections: 1, in_flight: 16 };
    let [warm, stretch] = [10, 3_000].map(Until::Replies);
    let plan = Plan { address: server(change), protocol: Protocol::Kv, shape, warm, stretch };
    crate::load::played(&plan)
}

#[test]
fn a_store_that_keeps_what_it_is_given_is_right() {
    for ask in [Ask::Set, Ask::Get, Ask::Mixed] {
        assert_eq!(replies(ask, |_, _| {}), Ok(3_000), "{ask:?}");
    }
}

#[test]
fn a_store_that_mistakes_one_value_is_found_out() {
    let change = |given, value: &mut Vec<u8>| {
        if given == 77_777 {
            value[40] ^= 1;
        }
    };
    for ask in [Ask::Set, Ask::Get, Ask::Mixed] {
        let trouble = replies(ask, change).unwrap_err().to_string();
        assert!(trouble.starts_with("wrong bytes came back"), "{trouble}");
    }
}
