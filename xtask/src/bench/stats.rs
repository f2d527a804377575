//! Medians, ranges, percentiles. Nothing here guesses: of no values there is no median.

/// Several values of one measure: the middle one, and how far the others lie apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) least: f64,
    pub(super) most: f64,
    pub(super) count: usize,
}

impl Spread {
    /// None of no values, or when one is no number.
    pub(super) fn of(values: &[f64]) -> Option<Self> {
        if values.iter().any(|value| !value.is_finite()) {
            return None;
        }
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (least, most) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len().is_multiple_of(2) {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        } else {
            sorted[middle]
        };
        Some(Self {
            median,
            least,
            most,
            count: sorted.len(),
        })
    }
}

/// The value that `percent` of the values do not exceed (nearest rank). None of no values.
pub(super) fn percentile(values: &[f64], percent: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

/// The exponent k of `cost ~ size^k` between the first and the last point; 1 is linear. None when
/// there are not two points, or one is not above 0.
pub(super) fn growth_exponent(points: &[(f64, f64)]) -> Option<f64> {
    let ((size, cost), (larger, dearer)) = (*points.first()?, *points.last()?);
    if size <= 0.0 || cost <= 0.0 || dearer <= 0.0 || larger <= size {
        return None;
    }
    Some((dearer / cost).ln() / (larger / size).ln())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_between_the_two_middle_ones() {
        let spread = Spread::of(&[3.0, 1.0, 2.0]).unwrap();
        assert_eq!((spread.median, spread.least, spread.most), (2.0, 1.0, 3.0));
        assert_eq!(Spread::of(&[4.0, 1.0, 2.0, 3.0]).unwrap().median, 2.5);
        assert_eq!(Spread::of(&[]), None);
        assert_eq!(Spread::of(&[1.0, f64::NAN]), None);
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentile(&values, 50.0), Some(50.0));
        assert_eq!(percentile(&values, 99.0), Some(99.0));
        assert_eq!(percentile(&[7.0], 99.0), Some(7.0));
        assert_eq!(percentile(&[], 99.0), None);
    }

    #[test]
    fn linear_growth_has_exponent_one() {
        let exponent = growth_exponent(&[(1.0, 5.0), (10.0, 40.0), (100.0, 500.0)]).unwrap();
        assert!((exponent - 1.0).abs() < 1e-9);
        assert_eq!(growth_exponent(&[(1.0, 5.0)]), None);
        assert_eq!(growth_exponent(&[(1.0, -5.0), (10.0, 1.0)]), None);
    }
}
