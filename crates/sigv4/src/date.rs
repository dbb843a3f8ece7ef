use std::fmt;
use std::str::FromStr;

use time::{Month, OffsetDateTime, PrimitiveDateTime, Time};

/// An instant as SigV4 writes it, `20150830T123600Z`: whole seconds, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(u64);

/// A text that is not a date of the form `20150830T123600Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidDate;

impl fmt::Display for InvalidDate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("not a date such as 20150830T123600Z")
    }
}

impl std::error::Error for InvalidDate {}

/// The end of the year 9999, after which the form has no more digits.
const SECONDS_MAX: u64 = 253_402_300_799;

impl Date {
    /// The instant `seconds` after 1970-01-01 UTC; at most the end of the year 9999.
    #[must_use]
    pub const fn from_unix_seconds(seconds: u64) -> Self {
        Self(if seconds > SECONDS_MAX {
            SECONDS_MAX
        } else {
            seconds
        })
    }

    /// Seconds since 1970-01-01 UTC.
    #[must_use]
    pub const fn unix_seconds(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Date {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = i64::try_from(self.0).ok();
        let at = at.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
        // The end of the year 9999 is the last instant of both.
        let at = at.unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
        let (hour, minute, second) = at.to_hms();
        write!(
            formatter,
            "{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z"
        )
    }
}

impl FromStr for Date {
    type Err = InvalidDate;

    fn from_str(text: &str) -> Result<Self, InvalidDate> {
        let bytes = text.as_bytes();
        let has_form =
            bytes.len() == 16 && bytes.get(8) == Some(&b'T') && bytes.last() == Some(&b'Z');
        let seconds = has_form.then(|| seconds(bytes)).flatten();
        seconds.map(Self).ok_or(InvalidDate)
    }
}

/// The instant that the digits say, if there is one and it is not before 1970.
fn seconds(text: &[u8]) -> Option<u64> {
    let number = |from| digits(text.get(from..from + 2)?);
    let year = 100 * i32::from(number(0)?) + i32::from(number(2)?);
    let month = Month::try_from(number(4)?).ok()?;
    let date = time::Date::from_calendar_date(year, month, number(6)?).ok()?;
    let time = Time::from_hms(number(9)?, number(11)?, number(13)?).ok()?;
    let at = PrimitiveDateTime::new(date, time).assume_utc();
    u64::try_from(at.unix_timestamp()).ok()
}

/// The number that two digits are.
fn digits(text: &[u8]) -> Option<u8> {
    text.iter().try_fold(0, |number, digit| {
        digit.is_ascii_digit().then(|| number * 10 + (digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_instants_read_and_print() {
        for (seconds, text) in [
            (0, "19700101T000000Z"),
            (951_782_399, "20000228T235959Z"),
            (951_782_400, "20000229T000000Z"),
            (1_440_938_160, "20150830T123600Z"),
            (SECONDS_MAX, "99991231T235959Z"),
        ] {
            assert_eq!(Date::from_unix_seconds(seconds).to_string(), text);
            assert_eq!(text.parse(), Ok(Date::from_unix_seconds(seconds)));
        }
    }

    #[test]
    fn dates_that_do_not_exist_are_refused() {
        for text in [
            "",
            "20150830T123600",
            "20150230T000000Z",
            "20151301T000000Z",
            "20150830T240000Z",
            "19691231T235959Z",
            "2015083OT123600Z",
            "20150830 123600Z",
        ] {
            assert_eq!(text.parse::<Date>(), Err(InvalidDate), "{text}");
        }
    }

    proptest! {
        /// Of texts that look like a date, exactly those are read that are printed.
        #[test]
        fn a_text_is_read_if_it_is_how_a_date_is_printed(
            text in "(19[67]|20[0-9]|999)[0-9][012][0-9][0-3][0-9]T[0-2][0-9][0-6][0-9][0-6][0-9]Z",
        ) {
            if let Ok(date) = text.parse::<Date>() {
                prop_assert_eq!(date.to_string(), text);
            } else {
                let number = |from: usize, to| text[from..to].parse::<u32>().unwrap();
                let (year, month, day) = (number(0, 4), number(4, 6), number(6, 8));
                let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
                let days = match month {
                    2 if is_leap => 29,
                    2 => 28,
                    4 | 6 | 9 | 11 => 30,
                    1..=12 => 31,
                    _ => 0,
                };
                let is_time = number(9, 11) < 24 && number(11, 13) < 60 && number(13, 15) < 60;
                let is_date = year >= 1970 && (1..=days).contains(&day);
                prop_assert!(!is_date || !is_time, "{}", text);
            }
        }

        #[test]
        fn any_other_text_is_refused_or_printed_again(text in ".{0,20}|[0-9TZ ]{16}") {
            if let Ok(date) = text.parse::<Date>() {
                prop_assert_eq!(date.to_string(), text);
            }
        }

        #[test]
        fn every_date_reads_back(seconds in 0..=SECONDS_MAX) {
            let date = Date::from_unix_seconds(seconds);
            prop_assert_eq!(date.to_string().parse(), Ok(date));
        }
    }
}
