//! Moments to bins of one width, of which there is never more than a fixed number: as time passes,
//! the bins become wider.
//!
//! Bins are numbered from 1970 on, so that all series agree on them whenever they began. A series
//! catches up with the grid when it is next touched.

/// Bins of a grid at most.
pub(super) const BINS: usize = 480;

const SECOND_MS: i64 = 1000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Widths that people count in, each a multiple of the one before. The last one covers all that 64
/// bits of nanoseconds can express.
const WIDTHS_MS: [i64; 22] = [
    1,
    2,
    10,
    20,
    100,
    200,
    SECOND_MS,
    2 * SECOND_MS,
    10 * SECOND_MS,
    30 * SECOND_MS,
    MINUTE_MS,
    2 * MINUTE_MS,
    10 * MINUTE_MS,
    30 * MINUTE_MS,
    HOUR_MS,
    2 * HOUR_MS,
    6 * HOUR_MS,
    12 * HOUR_MS,
    DAY_MS,
    10 * DAY_MS,
    50 * DAY_MS,
    500 * DAY_MS,
];

fn width_ns(level: usize) -> i64 {
    // A level is never above the last.
    WIDTHS_MS.get(level).map_or(i64::MAX, |ms| ms * 1_000_000)
}

/// How many bins of a level make one of the next.
fn factor(level: usize) -> i64 {
    width_ns(level + 1) / width_ns(level)
}

/// Which bins there are: from the first to the last moment that was covered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Grid {
    level: usize,
    /// First and last bin; `None` before anything was covered.
    ends: Option<(i64, i64)>,
}

impl Grid {
    /// Makes room for a moment.
    pub(super) fn cover(&mut self, ns: i64) {
        let bin = self.bin(ns);
        let (mut low, mut high) = match self.ends {
            Some((low, high)) if low <= bin && bin <= high => return,
            Some((low, high)) => (low.min(bin), high.max(bin)),
            None => (bin, bin),
        };
        while high - low >= BINS as i64 && self.level + 1 < WIDTHS_MS.len() {
            let factor = factor(self.level);
            (low, high) = (low.div_euclid(factor), high.div_euclid(factor));
            self.level += 1;
        }
        self.ends = Some((low, high));
    }

    /// With at least so many bins, the new ones on both sides.
    #[must_use]
    pub(super) fn widened(self, least: usize) -> Self {
        let missing = least.saturating_sub(self.count()) as i64;
        Self {
            ends: self
                .ends
                .map(|(low, high)| (low - missing / 2, high + (missing - missing / 2))),
            ..self
        }
    }

    fn bin(&self, ns: i64) -> i64 {
        ns.div_euclid(width_ns(self.level))
    }

    /// How many bins there are.
    pub(super) fn count(&self) -> usize {
        self.ends.map_or(0, |(low, high)| (high - low + 1) as usize)
    }

    /// Width of a bin.
    pub(super) fn width_ns(&self) -> i64 {
        width_ns(self.level)
    }

    /// When a bin begins, counted from the first one.
    pub(super) fn begin_ns(&self, at: usize) -> i64 {
        let low = self.ends.map_or(0, |(low, _)| low);
        low.saturating_add(at as i64)
            .saturating_mul(self.width_ns())
    }

    /// When the last bin ends.
    pub(super) fn end_ns(&self) -> i64 {
        self.begin_ns(self.count())
    }
}

/// What a bin holds.
pub(super) trait Bin: Copy + Default {
    /// What two neighbours make together.
    fn joined(self, other: Self) -> Self;
}

/// How many.
impl Bin for u64 {
    fn joined(self, other: Self) -> Self {
        self.saturating_add(other)
    }
}

/// The highest level seen; `None`: nobody looked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Peak(pub(super) Option<u64>);

impl Bin for Peak {
    fn joined(self, other: Self) -> Self {
        Self(self.0.max(other.0))
    }
}

/// Values over time.
#[derive(Clone, Debug)]
pub(super) struct Series<T> {
    level: usize,
    /// Number of the first bin held.
    first: i64,
    bins: Vec<T>,
}

impl<T> Default for Series<T> {
    fn default() -> Self {
        Self {
            level: 0,
            first: 0,
            bins: Vec::new(),
        }
    }
}

impl<T: Bin> Series<T> {
    /// Joins a value to the bin of a moment that the grid covers.
    pub(super) fn put(&mut self, grid: &Grid, ns: i64, value: T) {
        self.widen(grid.level);
        let bin = grid.bin(ns);
        if self.bins.is_empty() {
            self.first = bin;
        }
        let before = (self.first - bin).clamp(0, BINS as i64) as usize;
        if before > 0 {
            self.bins
                .splice(0..0, std::iter::repeat_n(T::default(), before));
            self.first = bin;
        }
        let at = (bin - self.first).clamp(0, BINS as i64 - 1) as usize;
        if at >= self.bins.len() {
            self.bins.resize(at + 1, T::default());
        }
        if let Some(place) = self.bins.get_mut(at) {
            *place = place.joined(value);
        }
    }

    fn widen(&mut self, level: usize) {
        if self.bins.is_empty() {
            self.level = self.level.max(level);
        }
        while self.level < level {
            let factor = factor(self.level);
            let first = self.first.div_euclid(factor);
            let mut wide: Vec<T> = Vec::new();
            for (at, value) in self.bins.iter().enumerate() {
                let bin = (self.first + at as i64).div_euclid(factor);
                let place = (bin - first) as usize;
                if place >= wide.len() {
                    wide.resize(place + 1, T::default());
                }
                wide[place] = wide[place].joined(*value);
            }
            self.bins = wide;
            self.first = first;
            self.level += 1;
        }
    }

    /// One value for each bin of the grid.
    pub(super) fn over(&self, grid: &Grid) -> Vec<T> {
        let mut own = self.clone();
        own.widen(grid.level);
        let low = grid.ends.map_or(0, |(low, _)| low);
        (0..grid.count())
            .map(|at| {
                let place = usize::try_from(low + at as i64 - own.first).ok();
                place
                    .and_then(|place| own.bins.get(place))
                    .copied()
                    .unwrap_or_default()
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: i64 = 1_000_000;

    fn series(moments: &[i64]) -> (Grid, Series<u64>) {
        let (mut grid, mut series) = (Grid::default(), Series::default());
        for &ns in moments {
            grid.cover(ns);
            series.put(&grid, ns, 1);
        }
        (grid, series)
    }

    #[test]
    fn each_width_is_a_multiple_of_the_one_before() {
        for level in 1..WIDTHS_MS.len() {
            assert_eq!(WIDTHS_MS[level] % WIDTHS_MS[level - 1], 0, "{level}");
        }
    }

    #[test]
    fn one_moment_is_one_bin_and_nothing_is_none() {
        assert_eq!(Grid::default().count(), 0);
        let (grid, series) = series(&[-5 * MS]);
        assert_eq!(series.over(&grid), [1]);
        assert_eq!((grid.begin_ns(0), grid.end_ns()), (-5 * MS, -4 * MS));
        assert_eq!(series.over(&grid.widened(5)), [0, 0, 1, 0, 0]);
    }

    #[test]
    fn ten_hours_are_bins_of_two_minutes() {
        let (grid, _) = series(&[0, 10 * HOUR_MS * MS]);
        assert_eq!(grid.width_ns(), 2 * MINUTE_MS * MS);
        assert_eq!(grid.count(), 301);
    }

    #[test]
    fn what_came_before_the_first_has_its_place() {
        let (grid, series) = series(&[5 * MS, 2 * MS, 3 * MS, 2 * MS]);
        assert_eq!(series.over(&grid), [2, 1, 0, 1]);
    }

    #[test]
    fn the_highest_level_survives_wider_bins() {
        let (mut grid, mut series) = (Grid::default(), Series::default());
        for (ms, level) in [(0, 3), (1, 9), (2, 4), (60_000, 1)] {
            grid.cover(ms * MS);
            series.put(&grid, ms * MS, Peak(Some(level)));
        }
        let over = series.over(&grid);
        assert_eq!(over.first(), Some(&Peak(Some(9))));
        assert_eq!(over.get(1), Some(&Peak(None)));
        assert_eq!(over.last(), Some(&Peak(Some(1))));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_there_are_never_too_many(
            moments in prop::collection::vec(any::<i64>(), 1..40),
            near in prop::collection::vec(0..5_000_000_000_000_i64, 0..40),
        ) {
            let moments = [moments, near].concat();
            let (grid, series) = series(&moments);
            prop_assert!(grid.count() <= BINS);
            let over = series.over(&grid);
            prop_assert_eq!(over.len(), grid.count());
            prop_assert_eq!(over.iter().sum::<u64>(), moments.len() as u64);
        }
    }
}
