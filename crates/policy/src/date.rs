//! Dates in conditions: seconds since 1970, or a date and time as ISO 8601 writes it.

use time::{Date, Month};

/// Milliseconds since 1970; none when the text is no date.
pub(crate) fn parse(text: &str) -> Option<i64> {
    if let Some(millis) = epoch(text) {
        return Some(millis);
    }
    let (date, time) = text.split_once('T').unwrap_or((text, "00:00:00Z"));
    let mut parts = date.splitn(3, '-');
    let (year, month, day) = (
        number(parts.next()?, 4)?,
        number(parts.next()?, 2)?,
        number(parts.next()?, 2)?,
    );
    let days = days(year, month, day)?;
    let (clock, offset_minutes) = zone(time)?;
    let mut parts = clock.splitn(3, ':');
    let (hour, minute) = (number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    let (second, millis) = seconds(parts.next().unwrap_or("00"))?;
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let minutes = (days * 24 + hour) * 60 + minute - offset_minutes;
    Some((minutes * 60 + second) * 1000 + millis)
}

/// Seconds since 1970, perhaps with a fraction, of which milliseconds count.
fn epoch(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_digits = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let whole = whole.parse::<i64>().ok().filter(|_| is_digits)?;
    let millis: String = fraction.chars().chain("000".chars()).take(3).collect();
    whole.checked_mul(1000)?.checked_add(millis.parse().ok()?)
}

fn number(text: &str, digits: usize) -> Option<i64> {
    let fits = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| text.parse().ok()).flatten()
}

/// The time of day, and by how many minutes it is ahead of UTC.
fn zone(time: &str) -> Option<(&str, i64)> {
    if let Some(clock) = time.strip_suffix('Z') {
        return Some((clock, 0));
    }
    let at = time.rfind(['+', '-'])?;
    let (clock, zone) = time.split_at_checked(at)?;
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let digits: String = zone.chars().filter(char::is_ascii_digit).collect();
    let (hours, minutes) = digits.split_at_checked(2)?;
    Some((clock, sign * (number(hours, 2)? * 60 + number(minutes, 2)?)))
}

fn seconds(text: &str) -> Option<(i64, i64)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    Some((number(whole, 2)?, number(&digits, 3)?))
}

/// Days from 1970-01-01. A day that its month lacks, such as February 30, is one of the next month.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    let first = Date::from_calendar_date(i32::try_from(year).ok()?, month, 1).ok()?;
    let since_1970 = first.to_julian_day() - JULIAN_DAY_OF_1970;
    let is_day = (1..=31).contains(&day);
    is_day.then(|| i64::from(since_1970) + day - 1)
}

const JULIAN_DAY_OF_1970: i32 = 2_440_588;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read_in_each_form_that_policies_have() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1970-01-01", Some(0)),
            ("1970-01-01T00:00:01Z", Some(1000)),
            ("2026-09-20T12:30:00.25Z", Some(1_789_907_400_250)),
            ("2026-09-20T14:30:00+02:00", Some(1_789_907_400_000)),
            ("2000-02-29", Some(951_782_400_000)),
            ("2026-02-30", Some(1_772_409_600_000)),
            ("0000-01-01", Some(-62_167_219_200_000)),
            ("9999-12-31T23:59:60Z", Some(253_402_300_800_000)),
            ("2026-09-20T14:30:00+99:99", Some(1_789_552_260_000)),
            ("2026-13-01", None),
            ("2026-00-01", None),
            ("2026-01-32", None),
            ("2026-01-00", None),
            ("yesterday", None),
            ("2026-09-20T12", None),
            ("", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
