//! How many descriptors this process may have.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// What to assume is open besides sockets where there is no `/proc`: the standard streams, the
/// poll, the signals' pipe, and a few files.
const USUAL_OTHERS: usize = 32;

/// How many sockets this process can have, `own` of which it has already, after raising the soft
/// limit towards the hard one as far as `wanted` sockets need it. What else is open counts against
/// the limit.
pub(super) fn socket_limit(wanted: usize, own: usize) -> Option<usize> {
    let others = open_descriptors().map_or(USUAL_OTHERS, |open| open.saturating_sub(own));
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    let needed = u64::try_from(wanted.saturating_add(others)).unwrap_or(u64::MAX).min(hard);
    // If it cannot be raised it stays, and the answer says what there is.
    let limit = if needed > soft && setrlimit(Resource::RLIMIT_NOFILE, needed, hard).is_ok() {
        needed
    } else {
        soft
    };
    Some(usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(others))
}

fn open_descriptors() -> Option<usize> {
    // The directory that is being read is among them.
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    // One test, since the limit belongs to the whole process.
    #[test]
    fn the_limit_is_raised_as_far_as_needed_and_allowed() {
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert!(socket_limit(0, 0).unwrap() < usize::try_from(soft).unwrap());
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap().0, soft, "raised without need");

        let lower = hard.min(soft) - 100;
        setrlimit(Resource::RLIMIT_NOFILE, lower, hard).unwrap();
        let wanted = usize::try_from(lower).unwrap();
        assert!(socket_limit(wanted, 0).unwrap() >= wanted, "there was room up to the hard limit");
        assert!(getrlimit(Resource::RLIMIT_NOFILE).unwrap().0 > lower);

        let all = socket_limit(usize::MAX, 0).unwrap();
        assert!(all < usize::try_from(hard).unwrap(), "what else is open counts too");
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap(), (hard, hard));
        setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
    }
}
