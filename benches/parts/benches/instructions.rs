//! The parts in instructions, which callgrind counts: the same each time.

#![allow(missing_docs, unused_qualifications, reason = "these are in what the macros make")]

use std::hint::black_box;

use gungraun::prelude::*;
use windlass_parts::{self as parts, Work};

/// Benchmarks of the works of these names, each at these sizes.
macro_rules! count {
    ($($group:ident, $sizes:tt: $($work:ident),+;)+) => {
        $(
            $(
                #[library_benchmark]
                #[benches::size(args = $sizes, setup = parts::$work)]
                fn $work(mut work: Work) -> Work {
                    black_box(work());
                    work
                }
            )+
            library_benchmark_group!(name = $group, benchmarks = [$($work),+]);
        )+
        main!(library_benchmark_groups = [$($group),+]);
    };
}

count! {
    decode, [16, 256]:
        decode_lengths, decode_short_lines, decode_long_lines, decode_delimited, decode_varints;
    encode, [16, 256]: encode_lengths, encode_lines, encode_delimited, encode_varints;
    timers, [10, 10_000]: arm_timers, move_timers, cancel_timers, fire_timers;
    write_queue, [16, 256]: push_copies, push_shared, advance_shared;
    connections, [10, 10_000]: insert_connections, find_connections, remove_connections;
}
