//! The parts in time: for each work, how long it takes and how many things are done in a second.

use divan::Bencher;
use divan::counter::ItemsCount;
use windlass_parts::{self as parts, Work};

fn main() {
    divan::main();
}

/// Benchmarks of the works of these names, each at these sizes.
macro_rules! time {
    ($($sizes:tt: $($work:ident),+;)+) => {
        $($(
            #[divan::bench(args = $sizes)]
            fn $work(bencher: Bencher<'_, '_>, size: usize) {
                measure(bencher, size, parts::$work);
            }
        )+)+
    };
}

fn measure(bencher: Bencher<'_, '_>, size: usize, make: fn(usize) -> Work) {
    let bencher = bencher.counter(ItemsCount::new(size)).with_inputs(|| make(size));
    bencher.bench_local_refs(|work| work());
}

time! {
    [16, 256]:
        decode_lengths, decode_short_lines, decode_long_lines, decode_delimited, decode_varints,
        encode_lengths, encode_lines, encode_delimited, encode_varints;
    [10, 10_000]: arm_timers, move_timers, cancel_timers, fire_timers;
    [16, 256]: push_copies, push_shared, advance_shared;
    [10, 10_000]: insert_connections, find_connections, remove_connections;
}
