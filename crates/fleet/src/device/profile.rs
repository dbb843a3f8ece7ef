use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use portcullis_hsm::{Command, Operation};
use serde::{Deserialize, Serialize};

/// How fast a device is, and how much work it lets wait. docs/profiles.md says where each figure
/// comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Operations a second under a symmetric key: sealing, opening, data keys.
    pub symmetric_per_s: NonZeroU32,
    /// Draws of random bytes a second.
    pub random_per_s: NonZeroU32,
    /// Logins and other commands that derive a password, a second; no limit when left out.
    #[serde(default)]
    pub login_per_s: Option<NonZeroU32>,
    /// Other commands that manage sessions, users and keys, a second; no limit when left out.
    #[serde(default)]
    pub management_per_s: Option<NonZeroU32>,
    /// How long an answer takes beyond the work itself.
    #[serde(default)]
    pub latency_us: Latency,
    /// How many symmetric operations may wait. What arrives beyond is answered with "busy".
    pub queue_operations_max: NonZeroU32,
}

/// A distribution by four of its points, in microseconds; between them it is a straight line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// None is shorter.
    pub min: u32,
    /// Half are shorter.
    pub p50: u32,
    /// One in a hundred is longer.
    pub p99: u32,
    /// None is longer.
    pub max: u32,
}

/// A profile that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidProfile(String);

impl fmt::Display for InvalidProfile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for InvalidProfile {}

/// What waits must be through before the facade asks another HSM, which it does after a second.
const BACKLOG_MAX: Duration = Duration::from_millis(500);

impl Profile {
    /// The names of the profiles that there are, `raw` included.
    pub const NAMES: [&'static str; 3] = ["raw", "hsm1.medium", "hsm2m.medium"];

    /// The profile of this name; none inside for `raw`, which takes no time of its own.
    ///
    /// Rule DEV-01: `raw` is as fast as the machine; the others serve as many operations a second as
    /// the fastest signature that is published for the device.
    ///
    /// # Errors
    /// When there is no such profile.
    pub fn named(name: &str) -> Result<Option<Self>, InvalidProfile> {
        let (per_s, management_per_s) = match name {
            "raw" => return Ok(None),
            // RSA 2048 signatures: 2,000/s of two HSMs; EC P-256: 500/s.
            "hsm1.medium" => (1000, 250),
            // EC P-256 signatures: 3,000/s of two HSMs; RSA 2048: 2,000/s.
            "hsm2m.medium" => (1500, 1000),
            other => {
                return Err(InvalidProfile(format!(
                    "There is no device profile {other:?}. Use {}, or define one in the world file.",
                    Self::NAMES.join(", ")
                )));
            }
        };
        let per_second = |count: u32| NonZeroU32::MIN.saturating_add(count - 1);
        let rate = per_second(per_s);
        Ok(Some(Self {
            symmetric_per_s: rate,
            random_per_s: rate,
            // One signature took 0.38 to 0.52 s with the start of its client and its login.
            login_per_s: Some(per_second(10)),
            management_per_s: Some(per_second(management_per_s)),
            latency_us: Latency {
                min: 500,
                p50: 1000,
                p99: 5000,
                max: 20_000,
            },
            queue_operations_max: NonZeroU32::MIN.saturating_add(255),
        }))
    }

    /// Checks what the form alone does not ensure.
    ///
    /// # Errors
    /// When the latency's points do not rise, or the queue holds more than half a second of work.
    pub fn check(&self) -> Result<(), InvalidProfile> {
        let Latency { min, p50, p99, max } = self.latency_us;
        if !(min <= p50 && p50 <= p99 && p99 <= max && max <= 500_000) {
            return Err(InvalidProfile(
                "latency_us must rise from min over p50 and p99 to max, which is at most 500000."
                    .to_owned(),
            ));
        }
        if self.backlog() > BACKLOG_MAX {
            return Err(InvalidProfile(format!(
                "queue_operations_max is more work than {} ms at symmetric_per_s: callers would \
                 ask another HSM before it is done. Let fewer wait.",
                BACKLOG_MAX.as_millis()
            )));
        }
        Ok(())
    }

    /// How long the device is occupied by an operation.
    pub(crate) fn cost(&self, operation: &Operation<'_>) -> Duration {
        let per_s = match operation {
            Operation::Encrypt { .. }
            | Operation::Decrypt { .. }
            | Operation::GenerateDataKey { .. }
            | Operation::ReEncrypt { .. } => self.symmetric_per_s,
            Operation::Random { .. } => self.random_per_s,
        };
        Duration::from_secs(1) / per_s.get()
    }

    /// How long the device is occupied by a command that manages it; none when that takes no time.
    ///
    /// Rule DEV-07: a command that derives a password is of one class, every other of another.
    pub(crate) fn cost_of_command(&self, command: &Command) -> Option<Duration> {
        let per_s = if command.hashes_password() {
            self.login_per_s
        } else {
            self.management_per_s
        };
        per_s.map(|per_s| Duration::from_secs(1) / per_s.get())
    }

    /// How much work may wait.
    pub(crate) fn backlog(&self) -> Duration {
        (Duration::from_secs(1) / self.symmetric_per_s.get())
            .saturating_mul(self.queue_operations_max.get())
    }
}

impl Latency {
    /// The latency that `chance` of 65,536 are shorter than.
    pub(crate) fn quantile(&self, chance: u16) -> Duration {
        const HALF: u32 = 1 << 15;
        /// 99 of 100.
        const TAIL: u32 = 64_881;
        const ALL: u32 = 1 << 16;
        let chance = u32::from(chance);
        let (from, to, low, high) = if chance < HALF {
            (0, HALF, self.min, self.p50)
        } else if chance < TAIL {
            (HALF, TAIL, self.p50, self.p99)
        } else {
            (TAIL, ALL, self.p99, self.max)
        };
        let rise = u64::from(high.saturating_sub(low)) * u64::from(chance - from);
        Duration::from_micros(u64::from(low) + rise / u64::from(to - from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule DEV-01.
    #[test]
    fn every_named_profile_is_usable_and_raw_takes_no_time() {
        for name in Profile::NAMES {
            let profile = Profile::named(name).unwrap();
            assert_eq!(profile.is_none(), name == "raw");
            profile.map_or(Ok(()), |profile| profile.check()).unwrap();
        }
        let per_s = |name| Profile::named(name).unwrap().unwrap().symmetric_per_s.get();
        assert_eq!((per_s("hsm1.medium"), per_s("hsm2m.medium")), (1000, 1500));
        let managed = |name| {
            let profile = Profile::named(name).unwrap().unwrap();
            (profile.login_per_s, profile.management_per_s)
        };
        let rate = |per_s| Some(NonZeroU32::new(per_s).unwrap());
        assert_eq!(managed("hsm1.medium"), (rate(10), rate(250)));
        assert_eq!(managed("hsm2m.medium"), (rate(10), rate(1000)));
        let unknown = Profile::named("hsm9").unwrap_err().to_string();
        assert!(unknown.contains("hsm2m.medium"), "{unknown}");
    }

    #[test]
    fn the_points_of_a_latency_are_met_and_it_rises_between_them() {
        let latency = Latency {
            min: 100,
            p50: 1000,
            p99: 5000,
            max: 20_000,
        };
        let at = |chance| latency.quantile(chance).as_micros();
        assert_eq!((at(0), at(1 << 15), at(64_881)), (100, 1000, 5000));
        assert!((19_900..=20_000).contains(&at(u16::MAX)));
        let all: Vec<_> = (0..=u16::MAX).map(at).collect();
        assert!(all.is_sorted());
    }

    #[test]
    fn a_profile_whose_callers_would_give_up_is_refused() {
        let mut profile = Profile::named("hsm1.medium").unwrap().unwrap();
        profile.queue_operations_max = NonZeroU32::new(10_000).unwrap();
        assert!(profile.check().unwrap_err().to_string().contains("fewer"));
        profile.queue_operations_max = NonZeroU32::MIN;
        profile.latency_us.p99 = 1;
        assert!(profile.check().unwrap_err().to_string().contains("rise"));
    }
}
