//! The middle of some measurements, and how far they lie apart.

/// Median, 10th and 90th percentile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// A tenth lies below.
    pub low: f64,
    /// Half lies below.
    pub median: f64,
    /// A tenth lies above.
    pub high: f64,
}

impl Spread {
    /// Of these, at least one.
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self { low: at(&values, 0.1), median: at(&values, 0.5), high: at(&values, 0.9) }
    }

    /// Each divided by so much.
    pub fn over(self, by: f64) -> Self {
        Self { low: self.low / by, median: self.median / by, high: self.high / by }
    }
}

/// The value below which such a part of the sorted ones lies.
pub fn at(sorted: &[f64], part: f64) -> f64 {
    let last = sorted.len() - 1;
    sorted[((last as f64 * part).round() as usize).min(last)]
}
