use std::fmt;
use std::str::FromStr;

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

const DAY_SECONDS: u64 = 86_400;

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
        let (year, month, day) = civil(self.0 / DAY_SECONDS);
        let second = self.0 % DAY_SECONDS;
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
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
        if bytes.len() != 16 || bytes.get(8) != Some(&b'T') || bytes.last() != Some(&b'Z') {
            return Err(InvalidDate);
        }
        let number = |from, to| digits(bytes.get(from..to)).ok_or(InvalidDate);
        let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
        let (hour, minute, second) = (number(9, 11)?, number(11, 13)?, number(13, 15)?);
        let days = days_from_civil(year, month, day).ok_or(InvalidDate)?;
        if civil(days) != (year, month, day) || hour > 23 || minute > 59 || second > 59 {
            return Err(InvalidDate);
        }
        Ok(Self(
            days * DAY_SECONDS + hour * 3600 + minute * 60 + second,
        ))
    }
}

fn digits(bytes: Option<&[u8]>) -> Option<u64> {
    bytes?.iter().try_fold(0, |number, digit| {
        digit
            .is_ascii_digit()
            .then(|| number * 10 + u64::from(digit - b'0'))
    })
}

/// Days since 1970-01-01 of a date of the Gregorian calendar; years start in March here, so that
/// the leap day is the last of a year.
fn days_from_civil(year: u64, month: u64, day: u64) -> Option<u64> {
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = 365 * year + year / 4 - year / 100 + year / 400 + day_of_year;
    days.checked_sub(DAYS_BEFORE_EPOCH)
}

/// Days from 0000-03-01 to 1970-01-01.
const DAYS_BEFORE_EPOCH: u64 = 719_468;

const fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + DAYS_BEFORE_EPOCH;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
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
        #[test]
        fn every_date_reads_back(seconds in 0..=SECONDS_MAX) {
            let date = Date::from_unix_seconds(seconds);
            prop_assert_eq!(date.to_string().parse(), Ok(date));
        }
    }
}
