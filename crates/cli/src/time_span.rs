//! Spans of time, as the command line takes them.

use std::time::Duration;

/// Reads `90s`, `30m`, `12h`, `7d`.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let invalid = || {
        format!(
            "{text:?} is not a span of time. Give a whole number and a unit: 90s, 30m, 12h, 7d."
        )
    };
    let number = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let seconds: u64 = match text.get(number.len()..) {
        Some("s") => 1,
        Some("m") => 60,
        Some("h") => 60 * 60,
        Some("d") => 24 * 60 * 60,
        _ => return Err(invalid()),
    };
    let number: u64 = number.parse().map_err(|_| invalid())?;
    number
        .checked_mul(seconds)
        .map(Duration::from_secs)
        .ok_or_else(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_a_number_and_a_unit() {
        for (text, seconds) in [("90s", 90), ("30m", 1800), ("12h", 43_200), ("7d", 604_800)] {
            assert_eq!(parse(text).unwrap().as_secs(), seconds);
        }
        for text in [
            "",
            "7",
            "d",
            "7w",
            "-1d",
            "1.5h",
            "7 d",
            "99999999999999999999d",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
