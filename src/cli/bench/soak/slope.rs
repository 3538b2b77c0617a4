//! A straight line through what was measured, and how sure it is.

use serde::Serialize;

/// Groups whose means the line is drawn through. Samples that follow one another are alike, as a
/// table that is full stays full until it is written: each of them is no measurement of its own,
/// and an error computed from all of them would be too small. Means of a minute or more are.
const GROUPS: usize = 20;

/// The slope of a line.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Slope {
    /// By how much the value grows in one unit of time.
    pub slope: f64,
    /// Its standard error.
    pub error: f64,
}

impl Slope {
    /// The line of least squares through the means of [`GROUPS`] groups of these (time, value).
    /// None for fewer samples than groups.
    pub fn of(samples: &[(f64, f64)]) -> Option<Self> {
        if samples.len() < GROUPS {
            return None;
        }
        let means: Vec<(f64, f64)> = (0..GROUPS)
            .map(|group| {
                let from = samples.len() * group / GROUPS;
                let to = samples.len() * (group + 1) / GROUPS;
                mean(&samples[from..to])
            })
            .collect();
        let (time, value) = mean(&means);
        let spread: f64 = means.iter().map(|(t, _)| (t - time).powi(2)).sum();
        if spread <= 0.0 {
            return None;
        }
        let along: f64 = means.iter().map(|(t, v)| (t - time) * (v - value)).sum();
        let slope = along / spread;
        let rest: f64 = means.iter().map(|(t, v)| (v - value - slope * (t - time)).powi(2)).sum();
        let error = (rest / (GROUPS - 2) as f64 / spread).sqrt();
        Some(Self { slope, error })
    }

    /// Whether it is surely greater than this: by twice its standard error.
    pub fn exceeds(self, bound: f64) -> bool {
        self.slope - 2.0 * self.error > bound
    }
}

fn mean(samples: &[(f64, f64)]) -> (f64, f64) {
    let count = samples.len().max(1) as f64;
    let sum = samples.iter().fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    (sum.0 / count, sum.1 / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(value: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
        (0..900).map(|n| f64::from(n) / 1800.0).map(|hour| (hour, value(hour))).collect()
    }

    #[test]
    fn a_line_is_found() {
        let slope = Slope::of(&samples(|hour| 100.0 + 30.0 * hour)).unwrap();
        assert!((slope.slope - 30.0).abs() < 1e-6 && slope.error < 1e-6, "{slope:?}");
        assert!(slope.exceeds(29.0) && !slope.exceeds(31.0));
    }

    #[test]
    fn a_saw_shows_no_slope_and_a_slope_below_a_saw_does() {
        // Sixty megabytes up and down every 50 seconds.
        let saw = |hour: f64| 60.0 * (hour * 72.0).fract();
        let flat = Slope::of(&samples(|hour| 500.0 + saw(hour))).unwrap();
        assert!(!flat.exceeds(30.0), "{flat:?}");
        let rising = Slope::of(&samples(|hour| 500.0 + saw(hour) + 200.0 * hour)).unwrap();
        assert!(rising.exceeds(30.0), "{rising:?}");
    }

    #[test]
    fn too_few_samples_tell_nothing() {
        assert!(Slope::of(&samples(|hour| hour)[..GROUPS - 1]).is_none());
    }
}
