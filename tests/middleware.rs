//! Layers before the handler, on the simulated network: each of those that are built in as clients
//! see it, and the promises that hold for all.

#[path = "middleware/access_control.rs"]
mod access_control;
#[path = "middleware/authenticate.rs"]
mod authenticate;
mod fixture;
#[path = "middleware/floods.rs"]
mod floods;
#[path = "middleware/gated.rs"]
mod gated;
#[path = "middleware/logging.rs"]
mod logging;
#[path = "middleware/pairing.rs"]
mod pairing;
#[path = "middleware/per_address_limit.rs"]
mod per_address_limit;
#[path = "middleware/promises.rs"]
mod promises;
#[path = "middleware/rate_limit.rs"]
mod rate_limit;
