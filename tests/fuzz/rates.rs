//! The rate limiter: what it lets through and how long it has others wait, against exact numbers.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use windlass::Instant;
use windlass::parts::Rates;

use super::choices::Choices;

/// There is a place for each: nobody has to share.
const ADDRESSES: usize = 8;
const MAX_STEPS: usize = 300;

/// A rate, reckoned in parts of a nanosecond of which there are as many as units in a period: then
/// all numbers are whole.
struct Model {
    period: u128,
    count: u128,
    burst: u128,
    /// When all that each address took will have been paid for.
    paid: [u128; ADDRESSES],
    /// What each was let have, and when, since it last had more than the burst.
    had: [Vec<(u128, u128)>; ADDRESSES],
}

impl Model {
    fn new(count: u32, period: u64, burst: u32) -> Self {
        let [period, count, burst] = [period.into(), count.into(), burst.into()];
        Self { period, count, burst, paid: [0; ADDRESSES], had: Default::default() }
    }

    fn in_parts(&self, nanos: u64) -> u128 {
        u128::from(nanos) * self.count
    }

    /// How long it is until no more than `units` of the address are unpaid.
    fn wait(&self, address: usize, now: u64, units: u128) -> Duration {
        let unpaid = self.paid[address].saturating_sub(self.in_parts(now));
        let wait = unpaid.saturating_sub(units * self.period).div_ceil(self.count);
        Duration::from_nanos(u64::try_from(wait).expect("nothing is owed beyond the clock"))
    }

    fn check(&self, address: usize, now: u64, cost: u64) -> Result<(), Duration> {
        let wait = self.wait(address, now, self.burst - u128::from(cost).min(self.burst));
        if wait.is_zero() { Ok(()) } else { Err(wait) }
    }

    fn take(&mut self, address: usize, now: u64, cost: u64) {
        let from = self.paid[address].max(self.in_parts(now));
        let until = from.saturating_add(u128::from(cost) * self.period);
        // All is forgotten at the end of the clock.
        let end = self.in_parts(u64::MAX);
        self.paid[address] = until.min(end);
        if until > end {
            self.had[address].clear();
        }
    }

    /// An address was let have `cost` units. In no time has it had more than the burst and what
    /// that time brings, unless it took at once what is more than the burst.
    fn assert_no_more_than_the_rate(&mut self, address: usize, now: u64, cost: u64) {
        let now = self.in_parts(now);
        let had = &mut self.had[address];
        if u128::from(cost) > self.burst {
            return had.clear();
        }
        had.push((now, cost.into()));
        let mut sum = 0;
        for (from, cost) in had.iter().rev() {
            sum += cost * self.period;
            assert!(sum <= self.burst * self.period + (now - from), "{sum} in {}", now - from);
        }
    }
}

fn ip(address: usize) -> IpAddr {
    let number = u32::try_from(address).expect("there are few");
    Ipv4Addr::from_bits(0xc000_0200 + number).into()
}

fn at_least_one(choices: &mut Choices<'_>) -> u32 {
    u32::try_from(choices.number() & 0xffff_ffff).expect("of 32 bits").max(1)
}

/// A step in time: none, a short one, one that makes a difference at this rate, or any.
fn step(choices: &mut Choices<'_>, model: &Model) -> u64 {
    let interval = u64::try_from(model.period / model.count).expect("a period is of 64 bits");
    match choices.below(5) {
        0 => 0,
        1 => choices.byte().into(),
        2 => interval.saturating_mul(choices.byte().into()),
        3 => interval.saturating_add(choices.below(3) as u64).saturating_sub(1),
        _ => choices.number(),
    }
}

fn cost(choices: &mut Choices<'_>, model: &Model) -> u64 {
    let burst = u64::try_from(model.burst).expect("a burst is of 32 bits");
    match choices.below(4) {
        0 => 1,
        1 => choices.byte().into(),
        2 => (burst + choices.below(3) as u64).saturating_sub(1),
        _ => choices.number(),
    }
}

pub(crate) fn rates(bytes: &[u8]) {
    let choices = &mut Choices::new(bytes);
    let (count, burst) = (at_least_one(choices), at_least_one(choices));
    let period = choices.number().max(1);
    let mut rates = Rates::new(count, Duration::from_nanos(period), burst);
    let mut model = Model::new(count, period, burst);
    let mut now = choices.number();
    for number in 0..MAX_STEPS {
        if choices.is_empty() {
            break;
        }
        now = now.saturating_add(step(choices, &model));
        let cost = cost(choices, &model);
        let address = choices.below(ADDRESSES);
        let ip = ip(address);
        let place =
            format!("step {number}, at {now}: {cost} of {count} in {period}, {burst} at once");
        let at = Instant::from_nanos(now);
        assert_eq!(rates.has_left(ip, at), model.check(address, now, 1).is_ok(), "{place}");
        if choices.chance(30) {
            model.take(address, now, cost);
            model.had[address].clear();
            let wait = model.wait(address, now, model.burst);
            assert_eq!(rates.charge(ip, at, cost), wait, "{place}");
        } else {
            let verdict = rates.check(ip, at, cost);
            assert_eq!(verdict, model.check(address, now, cost), "{place}");
            if verdict.is_ok() {
                model.assert_no_more_than_the_rate(address, now, cost);
                model.take(address, now, cost);
            }
        }
    }
}
