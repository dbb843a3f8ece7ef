use std::str::FromStr;
use std::time::Duration;

/// Calls per second: more than 0, at most a million.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate(f64);

/// Far more than one thread can send; a higher number is a slip of the keyboard.
const RATE_PER_SECOND_MAX: f64 = 1_000_000.0;

impl Rate {
    /// The rate of `load run` when none is given.
    pub(crate) const DEFAULT: Self = Self(1000.0);

    /// The rate of a rehearsal that names none: enough to see an outage to the hundredth of a
    /// second.
    pub(crate) const REHEARSAL: Self = Self(200.0);

    /// Calls per second.
    #[must_use]
    pub const fn per_second(self) -> f64 {
        self.0
    }
}

impl FromStr for Rate {
    type Err = String;

    /// Reads `2000/s`, `2000`, `2k/s`, `600/m` or `0.5/s`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a rate. Write one such as 2000/s, 2k/s or 600/m.");
        let (number, per) = text.split_once('/').unwrap_or((text, "s"));
        let seconds = match per.trim() {
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            _ => return Err(wrong()),
        };
        let (digits, factor) = match number.trim().strip_suffix('k') {
            Some(digits) => (digits, 1000.0),
            None => (number.trim(), 1.0),
        };
        let rate = parse_number(digits).ok_or_else(wrong)? * factor / seconds;
        if rate > 0.0 && rate <= RATE_PER_SECOND_MAX {
            return Ok(Self(rate));
        }
        Err(format!(
            "{text:?} is out of range: more than 0 and at most 1000000/s."
        ))
    }
}

/// The units of time, longest suffix first where one ends with another.
const UNITS: [(&str, f64); 5] = [
    ("us", 1e-6),
    ("ms", 1e-3),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3600.0),
];

/// A year: `Duration` arithmetic stays exact and no run waits longer.
const SECONDS_MAX: f64 = 31_536_000.0;

/// Reads `20s`, `500ms`, `1.5m`, `2h` or `50us`.
///
/// # Errors
/// A text for the user.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    match parse_seconds(text) {
        Some(seconds) if seconds > 0.0 && seconds <= SECONDS_MAX => {
            Ok(Duration::from_secs_f64(seconds))
        }
        Some(_) => Err(format!(
            "{text:?} is out of range: more than 0 and at most a year."
        )),
        None => Err(format!(
            "{text:?} is not a time. Write one such as 20s, 500ms or 5m."
        )),
    }
}

/// A time in seconds, of any size.
pub(crate) fn parse_seconds(text: &str) -> Option<f64> {
    let text = text.trim();
    let (unit, factor) = UNITS.iter().find(|(unit, _)| text.ends_with(unit))?;
    Some(parse_number(text.strip_suffix(unit)?.trim())? * factor)
}

/// A plain decimal number: no sign, exponent, `inf` or `nan`.
pub(crate) fn parse_number(text: &str) -> Option<f64> {
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    if plain { text.parse().ok() } else { None }
}

/// Whole microseconds of `duration`.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_read_as_people_write_them() {
        for (text, expected) in [
            ("2000/s", Some(2000.0)),
            ("2000", Some(2000.0)),
            ("2k/s", Some(2000.0)),
            ("600/m", Some(10.0)),
            ("0.5/s", Some(0.5)),
            ("36000/h", Some(10.0)),
            ("1000000", Some(1_000_000.0)),
            ("1000001", None),
            ("0", None),
            ("-5/s", None),
            ("inf", None),
            ("5/fortnight", None),
            ("fast", None),
            ("", None),
        ] {
            assert_eq!(
                text.parse::<Rate>().ok().map(Rate::per_second),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn times_read_as_people_write_them() {
        for (text, expected) in [
            ("20s", Some(20_000_000)),
            ("500ms", Some(500_000)),
            ("50us", Some(50)),
            ("1.5m", Some(90_000_000)),
            ("2h", Some(7_200_000_000)),
            ("0s", None),
            ("20", None),
            ("-1s", None),
            ("99999h", None),
        ] {
            assert_eq!(parse_duration(text).ok().map(micros), expected, "{text}");
        }
    }
}
