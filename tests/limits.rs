//! The engine as a whole, on the simulated network, at its limits: how much is read, written, held
//! and done at a time, and how long it may take.
//!
//! Every test is the same each time it runs; one that tries many seeds says which of them failed,
//! and is run with that one alone if `WINDLASS_SEED` gives it.

#[path = "limits/backpressure.rs"]
mod backpressure;
#[path = "limits/budgets.rs"]
mod budgets;
#[path = "limits/calls.rs"]
mod calls;
#[path = "limits/datagrams.rs"]
mod datagrams;
#[path = "limits/deadlines.rs"]
mod deadlines;
mod fixture;
#[path = "limits/memory.rs"]
mod memory;
#[path = "limits/reading.rs"]
mod reading;
#[path = "limits/waking.rs"]
mod waking;
#[path = "limits/writing.rs"]
mod writing;
