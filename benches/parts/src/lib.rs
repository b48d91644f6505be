//! What is measured of the parts. The two benches, of instructions and of time, do the same work.
//!
//! A work is so many things of one kind in one go. What one of them costs is the difference between
//! two sizes, divided by the difference in things.

mod codecs;
mod connections;
mod timers;
mod write_queue;

pub use codecs::{
    decode_delimited, decode_lengths, decode_long_lines, decode_short_lines, decode_varints,
    encode_delimited, encode_lengths, encode_lines, encode_varints,
};
pub use connections::{find_connections, insert_connections, remove_connections};
pub use timers::{arm_timers, cancel_timers, fire_timers, move_timers};
pub use write_queue::{advance_shared, push_copies, push_shared};

/// Does the work, once, and says how many things it has done. All that it takes was made before,
/// and goes with it afterwards.
pub type Work = Box<dyn FnMut() -> usize>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_work_does_what_it_is_asked_to() {
        let works: [fn(usize) -> Work; 19] = [
            decode_delimited,
            decode_lengths,
            decode_long_lines,
            decode_short_lines,
            decode_varints,
            encode_delimited,
            encode_lengths,
            encode_lines,
            encode_varints,
            arm_timers,
            cancel_timers,
            fire_timers,
            move_timers,
            push_copies,
            push_shared,
            advance_shared,
            insert_connections,
            find_connections,
            remove_connections,
        ];
        for (work, number) in works.iter().zip(0..) {
            for count in [1, 16, 256] {
                assert_eq!(work(count)(), count, "work {number}");
            }
        }
    }
}
