use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use portcullis_seam::Timestamp;

/// How long changes of state take: the whole policy, in one place.
///
/// Rule TIME-05: a state that ends in `ING` or `_IN_PROGRESS` lasts no time at all by default; for a
/// number of seconds; until it has been described a number of times; or as long as on AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pace {
    /// As fast as the work is done.
    #[default]
    Immediate,
    /// This long, on the services' clock.
    After(Duration),
    /// So many descriptions show the passing state.
    Describes(NonZeroU32),
    /// As long as on AWS, on the services' clock.
    Aws,
}

/// Whether a step may be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The change takes effect at once.
    Now,
    /// At this date of the services' clock.
    At(Timestamp),
    /// After so many more descriptions.
    AfterDescribes(NonZeroU32),
}

impl Pace {
    /// Whether the step that ends a passing state may be taken at `now`, when that state lasts as long as
    /// `on_aws` on AWS, began at `began` and has been shown by `described` descriptions since.
    #[must_use]
    pub fn verdict(
        self,
        on_aws: Duration,
        began: Timestamp,
        described: u32,
        now: Timestamp,
    ) -> Verdict {
        let after = |duration| {
            let due = began.plus(duration);
            if now >= due {
                Verdict::Now
            } else {
                Verdict::At(due)
            }
        };
        match self {
            Self::Immediate => Verdict::Now,
            Self::After(duration) => after(duration),
            Self::Aws => after(on_aws),
            Self::Describes(wanted) => {
                let missing = NonZeroU32::new(wanted.get().saturating_sub(described));
                missing.map_or(Verdict::Now, Verdict::AfterDescribes)
            }
        }
    }
}

/// A text that names no pace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidPace(String);

impl fmt::Display for InvalidPace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{:?} does not say how long state changes take. Give immediate, after:SECONDS, \
             describes:N with N from 1, or aws.",
            self.0
        )
    }
}

impl std::error::Error for InvalidPace {}

/// Longer than anything on AWS takes.
const AFTER_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

impl FromStr for Pace {
    type Err = InvalidPace;

    fn from_str(text: &str) -> Result<Self, InvalidPace> {
        let invalid = || InvalidPace(text.to_owned());
        match text.split_once(':') {
            None if text == "immediate" => Ok(Self::Immediate),
            None if text == "aws" => Ok(Self::Aws),
            Some(("after", seconds)) => seconds
                .parse()
                .ok()
                .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
                .filter(|after| *after <= AFTER_MAX)
                .map(Self::After)
                .ok_or_else(invalid),
            Some(("describes", count)) => count.parse().map(Self::Describes).map_err(|_| invalid()),
            _ => Err(invalid()),
        }
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Immediate => formatter.write_str("immediate"),
            Self::After(duration) => write!(formatter, "after:{}", duration.as_secs_f64()),
            Self::Describes(count) => write!(formatter, "describes:{count}"),
            Self::Aws => formatter.write_str("aws"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As long as a key store connects.
    const ON_AWS: Duration = Duration::from_secs(20 * 60);

    const BEGAN: Timestamp = Timestamp::from_millis(1_000_000);

    #[track_caller]
    fn check(pace: &str, passed_ms: u64, described: u32, expected: Verdict) {
        let pace: Pace = pace.parse().unwrap();
        let now = BEGAN.plus(Duration::from_millis(passed_ms));
        let verdict = pace.verdict(ON_AWS, BEGAN, described, now);
        assert_eq!(
            verdict, expected,
            "{pace} after {passed_ms} ms, {described}"
        );
    }

    fn at(passed_ms: u64) -> Verdict {
        Verdict::At(BEGAN.plus(Duration::from_millis(passed_ms)))
    }

    fn more(count: u32) -> Verdict {
        Verdict::AfterDescribes(NonZeroU32::new(count).unwrap())
    }

    /// Rule TIME-05.
    #[test]
    fn a_pace_says_when_a_step_may_be_taken() {
        check("immediate", 0, 0, Verdict::Now);
        check("after:2.5", 0, 9, at(2500));
        check("after:2.5", 2499, 0, at(2500));
        check("after:2.5", 2500, 0, Verdict::Now);
        check("describes:3", 900_000_000, 0, more(3));
        check("describes:3", 0, 2, more(1));
        check("describes:3", 0, 3, Verdict::Now);
        check("describes:3", 0, u32::MAX, Verdict::Now);
        check("aws", 1_199_999, 9, at(1_200_000));
        check("aws", 1_200_000, 0, Verdict::Now);
    }

    /// Rule TIME-05: nothing waits for ever, and a later question is never answered "wait longer".
    #[test]
    fn a_step_that_may_be_taken_stays_permitted() {
        for pace in ["immediate", "after:1", "describes:2", "aws"] {
            let pace: Pace = pace.parse().unwrap();
            for seconds in [0, 1, 60, 20 * 60] {
                let on_aws = Duration::from_secs(seconds);
                let mut permitted = false;
                for minute in 0..60 {
                    let now = BEGAN.plus(Duration::from_secs(60 * minute));
                    let described = u32::try_from(minute).unwrap();
                    let verdict = pace.verdict(on_aws, BEGAN, described, now);
                    assert!(!permitted || verdict == Verdict::Now, "{pace} {on_aws:?}");
                    permitted = verdict == Verdict::Now;
                }
                assert!(permitted, "{pace} {on_aws:?}");
            }
        }
    }

    #[test]
    fn what_is_no_pace_is_refused_with_those_there_are() {
        for text in [
            "",
            "fast",
            "after",
            "after:",
            "after:-1",
            "after:NaN",
            "after:1e30",
            "describes:0",
            "describes:-1",
            "describes:x",
            "aws:1",
            "immediate:",
        ] {
            let refused = text.parse::<Pace>().unwrap_err().to_string();
            assert!(refused.contains("describes:N"), "{text}: {refused}");
        }
        for text in ["immediate", "after:0.25", "describes:4", "aws"] {
            assert_eq!(text.parse::<Pace>().unwrap().to_string(), text);
        }
    }
}
