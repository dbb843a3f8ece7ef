/// Where a value stands on an axis, from 0 to 1.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scale {
    /// From 0 to this.
    Linear(f64),
    /// Powers of ten, from the first to the second.
    Decades(i32, i32),
}

impl Scale {
    /// A linear scale with room for `max`.
    pub(crate) fn linear(max: f64) -> Self {
        let step = step(max);
        Self::Linear(((max / step).ceil() * step).max(step))
    }

    /// Decades that hold both values.
    pub(crate) fn decades(min: f64, max: f64) -> Self {
        let low = exponent(min.max(1e-3).log10().floor());
        let high = exponent(max.max(1e-3).log10().ceil());
        Self::Decades(low, high.max(low + 1))
    }

    pub(crate) fn place(self, value: f64) -> f64 {
        let place = match self {
            Self::Linear(max) => value / max,
            Self::Decades(low, high) => {
                (value.max(1e-9).log10() - f64::from(low)) / f64::from(high - low)
            }
        };
        place.clamp(0.0, 1.0)
    }

    /// The values at which the axis has a line.
    pub(crate) fn ticks(self) -> Vec<f64> {
        match self {
            Self::Linear(max) => {
                let step = step(max);
                let mut ticks = vec![0.0];
                while let Some(last) = ticks.last().filter(|last| **last + step / 2.0 < max) {
                    ticks.push(last + step);
                }
                ticks
            }
            Self::Decades(low, high) => (low..=high).map(|power| 10_f64.powi(power)).collect(),
        }
    }
}

/// 1, 2 or 5 times a power of ten: four to ten of them make `max`.
fn step(max: f64) -> f64 {
    let rough = max.max(1.0) / 4.0;
    let power = 10_f64.powi(exponent(rough.log10().floor()));
    let factor = if rough / power >= 5.0 {
        5.0
    } else if rough / power >= 2.0 {
        2.0
    } else {
        1.0
    };
    factor * power
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a whole exponent of a finite number"
)]
const fn exponent(whole: f64) -> i32 {
    whole as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_a_handful_of_round_lines() {
        for max in [0.0, 0.7, 3.0, 17.0, 2000.0, 98_765.0] {
            let ticks = Scale::linear(max).ticks();
            assert!((2..=12).contains(&ticks.len()), "{max}: {ticks:?}");
            assert!(ticks.last().unwrap() >= &max, "{max}: {ticks:?}");
        }
        assert_eq!(
            Scale::linear(2000.0).ticks(),
            [0.0, 500.0, 1000.0, 1500.0, 2000.0]
        );
    }

    #[test]
    fn decades_hold_what_they_show() {
        let scale = Scale::decades(0.2, 51.0);
        assert_eq!(scale.ticks(), [0.1, 1.0, 10.0, 100.0]);
        assert!((scale.place(1.0) - 1.0 / 3.0).abs() < 1e-9);
    }
}
