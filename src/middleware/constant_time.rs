//! Comparing what is secret in a time that does not say where it differs.

use std::hint::black_box;

/// Whether `a` and `b` are the same bytes, found out in a time that depends on their length only.
///
/// An ordinary comparison stops at the first byte that differs, and so tells a patient peer how
/// much of a guess is right. This one looks at every byte. It does tell whether the lengths are the
/// same: where the length of a secret is itself secret, compare digests. The compiler is kept from
/// stopping early as well as safe code can keep it.
///
/// ```
/// use windlass::middleware::constant_time_eq;
///
/// assert!(constant_time_eq(b"sesame", b"sesame"));
/// assert!(!constant_time_eq(b"sesame", b"sesamf"));
/// assert!(!constant_time_eq(b"sesame", b"sesame!"));
/// ```
#[inline(never)]
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    // What the sum is so far is hidden from the compiler, which thus cannot know when it is enough.
    let difference = a.iter().zip(b).fold(0, |sum, (a, b)| black_box(sum | (a ^ b)));
    difference == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_of_every_byte_counts() {
        let secret: Vec<u8> = (0..100).collect();
        assert!(constant_time_eq(&secret, &secret.clone()));
        for at in 0..secret.len() {
            for bit in 0..8 {
                let mut guess = secret.clone();
                guess[at] ^= 1 << bit;
                assert!(!constant_time_eq(&secret, &guess), "bit {bit} of byte {at}");
            }
        }
    }

    #[test]
    fn two_differences_do_not_cancel_out() {
        assert!(!constant_time_eq(&[1, 1], &[0, 0]));
        assert!(!constant_time_eq(&[0, 1], &[1, 0]));
    }

    #[test]
    fn a_beginning_is_not_the_whole() {
        assert!(!constant_time_eq(b"secret", b""));
        assert!(!constant_time_eq(b"secret", b"secre"));
        assert!(!constant_time_eq(b"secre", b"secret"));
        assert!(constant_time_eq(b"", b""));
    }
}
