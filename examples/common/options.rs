//! The examples' command line: addresses, networks, sizes, durations, rates, numbers and choices.
//!
//! Whatever is wrong is said in one line that names the option and what would be right.

use std::ffi::OsString;
use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use lexopt::{Arg, Parser};
use windlass::middleware::{AccessControl, Cidr};

/// The options, to be read one after the other, each followed by its value.
pub(crate) struct Options {
    parser: Parser,
    /// The option that was read last, as in `--tcp`.
    option: String,
}

/// Why an example does not serve.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Stop {
    /// Help was asked for.
    Help,
    /// Something is wrong with the options: what, in one line.
    BadUsage(String),
}

/// Where an example listens: any number of `--tcp ADDR` and `--udp ADDR`.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Addresses {
    pub(crate) tcp: Vec<SocketAddr>,
    pub(crate) udp: Vec<SocketAddr>,
}

/// Who may come and who may not: any number of `--allow CIDR` and `--deny CIDR`.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Networks {
    pub(crate) allowed: Vec<Cidr>,
    pub(crate) denied: Vec<Cidr>,
}

/// So many of something in each period, as in `100/s`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Rate {
    pub(crate) count: u32,
    pub(crate) period: Duration,
}

impl Options {
    /// Options from the arguments of the command line, without the name of the program.
    pub(crate) fn new(arguments: impl IntoIterator<Item = OsString>) -> Self {
        Self { parser: Parser::from_args(arguments), option: String::new() }
    }

    /// The next option, as in `--tcp`; `None` after the last.
    pub(crate) fn next(&mut self) -> Result<Option<String>, Stop> {
        self.option = match self.parser.next() {
            Ok(None) => return Ok(None),
            Ok(Some(Arg::Long("help") | Arg::Short('h'))) => return Err(Stop::Help),
            Ok(Some(Arg::Long(name))) => format!("--{name}"),
            Ok(Some(Arg::Short(name))) => format!("-{name}"),
            Ok(Some(Arg::Value(value))) => {
                let value = one_line(&value.to_string_lossy());
                return Err(Stop::BadUsage(format!("{value} belongs to no option")));
            }
            Err(error) => return Err(Stop::BadUsage(one_line(&error.to_string()))),
        };
        Ok(Some(self.option.clone()))
    }

    /// What is wrong if nobody knows the option that was read last.
    pub(crate) fn unknown(&self) -> Stop {
        Stop::BadUsage(format!("there is no option {}", one_line(&self.option)))
    }

    /// The option's value: an address and a port. Names are not looked up.
    pub(crate) fn address(&mut self) -> Result<SocketAddr, Stop> {
        let expected = "an address and a port, such as 127.0.0.1:7000 or [::1]:0";
        self.value(expected, |text| text.parse().ok())
    }

    /// The option's value: a number of bytes within limits, such as `65536`, `64KiB`, `1MiB` or
    /// `2GiB`.
    pub(crate) fn size(&mut self, limits: RangeInclusive<usize>) -> Result<usize, Stop> {
        let (least, most) = (limits.start(), limits.end());
        let expected = format!("{least} to {most} bytes, such as 65536, 64KiB or 1MiB");
        let parse = |text: &str| usize::try_from(size(text)?).ok();
        self.value(&expected, |text| parse(text).filter(|size| limits.contains(size)))
    }

    /// The option's value: a time that is not zero, such as `500ms`, `30s`, `2m` or `1h`.
    pub(crate) fn duration(&mut self) -> Result<Duration, Stop> {
        let expected = "a duration above zero, such as 500ms, 30s, 2m or 1h";
        self.value(expected, |text| duration(text).filter(|duration| !duration.is_zero()))
    }

    /// The option's value: so many per time, such as `100/s`, `30/m` or `5/h`.
    pub(crate) fn rate(&mut self) -> Result<Rate, Stop> {
        let expected = "a rate above zero, such as 100/s, 30/m or 5/h";
        self.value(expected, |text| rate(text, &[("", 1)]))
    }

    /// The option's value: so many bytes per time, such as `1000/s` or `64KiB/s`.
    pub(crate) fn byte_rate(&mut self) -> Result<Rate, Stop> {
        let expected = "bytes per time, above zero and below 4GiB, such as 1000/s or 64KiB/s";
        self.value(expected, |text| rate(text, &SIZES))
    }

    /// The option's value: a network such as `10.0.0.0/8`, or an address.
    pub(crate) fn network(&mut self) -> Result<Cidr, Stop> {
        let text = self.word("a network, such as 10.0.0.0/8 or 2001:db8::/32, or an address")?;
        // The error has the text in it, and may even say how it is written.
        let wrong = |error| Stop::BadUsage(format!("{} {error}", self.option));
        text.parse().map_err(wrong)
    }

    /// The option's value: any text that is not empty.
    pub(crate) fn word(&mut self, expected: &str) -> Result<String, Stop> {
        self.value(expected, |text| (!text.is_empty()).then(|| text.to_owned()))
    }

    /// The option's value: the path of a file.
    pub(crate) fn path(&mut self) -> Result<PathBuf, Stop> {
        let option = &self.option;
        let missing = |_| Stop::BadUsage(format!("{option} has no value: it takes a file"));
        self.parser.value().map(PathBuf::from).map_err(missing)
    }

    /// The option's value: a number within limits.
    pub(crate) fn number<N>(&mut self, limits: RangeInclusive<N>) -> Result<N, Stop>
    where
        N: FromStr + PartialOrd + Display,
    {
        let expected = format!("a number from {} to {}", limits.start(), limits.end());
        self.value(&expected, |text| text.parse().ok().filter(|number| limits.contains(number)))
    }

    /// The option's value: one of these words, each with what it means.
    pub(crate) fn choice<T: Clone>(&mut self, choices: &[(&str, T)]) -> Result<T, Stop> {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let meaning = |text: &str| choices.iter().find(|(word, _)| *word == text);
        self.value(&words.join(" or "), |text| Some(meaning(text)?.1.clone()))
    }

    fn value<T>(
        &mut self,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, Stop> {
        let option = &self.option;
        let Ok(value) = self.parser.value() else {
            return Err(Stop::BadUsage(format!("{option} has no value: it takes {expected}")));
        };
        let text = value.to_string_lossy();
        parse(&text).ok_or_else(|| {
            Stop::BadUsage(format!("{option} {}: it takes {expected}", one_line(&text)))
        })
    }
}

impl Addresses {
    /// Reads the value of the option, if it is `--tcp` or `--udp`. Otherwise says no.
    pub(crate) fn read(&mut self, option: &str, options: &mut Options) -> Result<bool, Stop> {
        let addresses = match option {
            "--tcp" => &mut self.tcp,
            "--udp" => &mut self.udp,
            _ => return Ok(false),
        };
        addresses.push(options.address()?);
        Ok(true)
    }

    /// These addresses, or, if there are none at all, `default` for both protocols.
    pub(crate) fn or_both_on(self, default: SocketAddr) -> Self {
        if self.tcp.is_empty() && self.udp.is_empty() {
            return Self { tcp: vec![default], udp: vec![default] };
        }
        self
    }
}

impl Networks {
    /// Reads the value of the option, if it is `--allow` or `--deny`. Otherwise says no.
    pub(crate) fn read(&mut self, option: &str, options: &mut Options) -> Result<bool, Stop> {
        let networks = match option {
            "--allow" => &mut self.allowed,
            "--deny" => &mut self.denied,
            _ => return Ok(false),
        };
        networks.push(options.network()?);
        Ok(true)
    }

    /// The layer that keeps to it; none if everybody may come.
    pub(crate) fn layer(self) -> Option<AccessControl> {
        if self == Self::default() {
            return None;
        }
        let allowing = self.allowed.into_iter().fold(AccessControl::new(), AccessControl::allow);
        Some(self.denied.into_iter().fold(allowing, AccessControl::deny))
    }
}

const SIZES: [(&str, u64); 4] = [("", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
const MICROS: [(&str, u64); 5] =
    [("us", 1), ("ms", 1_000), ("s", 1_000_000), ("m", 60_000_000), ("h", 3_600_000_000)];

fn size(text: &str) -> Option<u64> {
    with_unit(text, &SIZES)
}

fn duration(text: &str) -> Option<Duration> {
    with_unit(text, &MICROS).map(Duration::from_micros)
}

fn rate(text: &str, units: &[(&str, u64)]) -> Option<Rate> {
    let (count, period) = text.split_once('/')?;
    let count = u32::try_from(with_unit(count, units)?).ok().filter(|count| *count > 0)?;
    let (_, micros) = MICROS.iter().find(|(name, _)| *name == period)?;
    Some(Rate { count, period: Duration::from_micros(*micros) })
}

/// Digits and one of these units, multiplied.
fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits_len = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (count, unit) = text.split_at(digits_len);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    count.parse::<u64>().ok()?.checked_mul(*factor)
}

/// The text with everything escaped that would not stay on the line.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { c.escape_debug().to_string() } else { c.to_string() })
        .collect()
}
