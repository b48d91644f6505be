//! Connections: slots that are taken, found by name, and freed.

use windlass::network::Token;
use windlass::parts::Connections;

use crate::Work;

/// To take so many slots.
pub fn insert_connections(count: usize) -> Work {
    let mut connections = Connections::with_capacity(count);
    Box::new(move || {
        for _ in 0..count {
            connections.insert();
        }
        connections.len()
    })
}

/// To find each of so many connections by its name.
pub fn find_connections(count: usize) -> Work {
    let (mut connections, names) = taken(count);
    Box::new(move || names.iter().filter(|name| connections.find(**name)).count())
}

/// To free each of so many slots.
pub fn remove_connections(count: usize) -> Work {
    let (mut connections, names) = taken(count);
    Box::new(move || names.iter().filter(|name| connections.remove(**name)).count())
}

/// So many connections, and their names in another order than that of their slots.
fn taken(count: usize) -> (Connections, Vec<Token>) {
    let mut connections = Connections::with_capacity(count);
    let mut names: Vec<Token> = (0..count).map(|_| connections.insert()).collect();
    names.rotate_left(count / 3);
    names.reverse();
    (connections, names)
}
