use portcullis_seam::Timestamp;
use portcullis_sigv4::Date;

/// A date as CloudTrail writes it, `2021-10-26T23:41:27Z`.
pub(crate) fn date(at: Timestamp) -> String {
    let compact = Date::from_unix_seconds(at.millis() / 1000).to_string();
    let part = |from, to| compact.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0, 4),
        part(4, 6),
        part(6, 8),
        part(9, 11),
        part(11, 13),
        part(13, 15)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_has_whole_seconds() {
        let at = Timestamp::from_millis(1_635_291_687_999);
        assert_eq!(date(at), "2021-10-26T23:41:27Z");
    }
}
