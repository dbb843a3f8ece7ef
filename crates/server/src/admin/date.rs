use portcullis_seam::Timestamp;
use time::{OffsetDateTime, PrimitiveDateTime};

/// A date as CloudTrail writes it, `2021-10-26T23:41:27Z`.
pub(crate) fn date(at: Timestamp) -> String {
    let seconds = i64::try_from(at.millis() / 1000).ok();
    let at = seconds.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    let at = at.unwrap_or(LAST);
    let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
    let (hour, minute, second) = at.to_hms();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The end of the year 9999, after which the form has no more digits.
const LAST: OffsetDateTime = PrimitiveDateTime::MAX.assume_utc();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_has_whole_seconds() {
        let at = Timestamp::from_millis(1_635_291_687_999);
        assert_eq!(date(at), "2021-10-26T23:41:27Z");
        assert_eq!(date(Timestamp::from_millis(0)), "1970-01-01T00:00:00Z");
        let end = Timestamp::from_millis(u64::MAX);
        assert_eq!(date(end), "9999-12-31T23:59:59Z");
    }
}
