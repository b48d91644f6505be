//! What handlers do beyond the connection at hand: commands, broadcasts, tasks and messages, timers
//! of their own, and the loop as a whole, on the simulated network.

#[path = "beyond/broadcasts.rs"]
mod broadcasts;
#[path = "beyond/commands.rs"]
mod commands;
#[path = "beyond/datagrams.rs"]
mod datagrams;
#[path = "beyond/ending.rs"]
mod ending;
mod fixture;
#[path = "beyond/hub.rs"]
mod hub;
#[path = "beyond/intervals.rs"]
mod intervals;
#[path = "beyond/matrix.rs"]
mod matrix;
#[path = "beyond/panics.rs"]
mod panics;
#[path = "beyond/scope.rs"]
mod scope;
#[path = "beyond/stage.rs"]
mod stage;
#[path = "beyond/swarm.rs"]
mod swarm;
