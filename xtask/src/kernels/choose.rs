//! Which package is the kernel of a series: from names and versions of a package index to one
//! package. Pure. Names that are not understood are left out, never guessed at.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// The flavour with the fewest drivers and everything a network test needs.
const PREFIX: &str = "linux-image-";
const SUFFIX: &str = "-cloud-amd64";

/// `6.1`: a line of kernel releases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Series {
    pub(crate) major: u32,
    pub(crate) minor: u32,
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for Series {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |part: &str| part.parse().ok();
        text.split_once('.')
            .and_then(|(major, minor)| {
                Some(Self {
                    major: number(major)?,
                    minor: number(minor)?,
                })
            })
            .ok_or_else(|| format!("`{text}` is no kernel series, such as 6.1"))
    }
}

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Series(Series),
    /// The highest series the mirror has.
    Newest,
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Series(series) => series.fmt(f),
            Self::Newest => f.write_str("newest"),
        }
    }
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "newest" {
            return Ok(Self::Newest);
        }
        text.parse()
            .map(Self::Series)
            .map_err(|error| format!("{error}, and not `newest`"))
    }
}

/// A kernel package of the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) series: Series,
    /// For example `6.12.117+deb13-cloud-amd64`, which other packages of this kernel bear too.
    pub(super) release: String,
    pub(super) name: String,
    pub(super) version: String,
}

/// The release and series of a package that is a kernel; None for meta packages, debug symbols and
/// other flavours.
pub(super) fn kernel_name(name: &str) -> Option<(&str, Series)> {
    let release = name.strip_prefix(PREFIX)?;
    let numbers = release.strip_suffix(SUFFIX)?;
    let mut parts = numbers.splitn(3, '.');
    let number = |part: &str| part.parse().ok();
    let (major, minor) = (number(parts.next()?)?, number(parts.next()?)?);
    // `linux-image-6.12-cloud-amd64` would only depend on the real one.
    parts
        .next()
        .filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))?;
    Some((release, Series { major, minor }))
}

/// The prefix that all names [`kernel_name`] knows begin with.
pub(super) const fn prefix() -> &'static str {
    PREFIX
}

/// All kernels among packages of an index.
pub(super) fn candidates(packages: &[(String, String)]) -> Vec<Candidate> {
    let candidate = |(name, version): &(String, String)| {
        let (release, series) = kernel_name(name)?;
        Some(Candidate {
            series,
            release: release.to_owned(),
            name: name.clone(),
            version: version.clone(),
        })
    };
    packages.iter().filter_map(candidate).collect()
}

/// The newest package of what is wanted; None when the index has none.
pub(super) fn newest(candidates: &[Candidate], wanted: Wanted) -> Option<&Candidate> {
    let fits = |candidate: &&Candidate| match wanted {
        Wanted::Series(series) => candidate.series == series,
        Wanted::Newest => true,
    };
    candidates.iter().filter(fits).max_by(|a, b| {
        a.series
            .cmp(&b.series)
            .then_with(|| compare(&a.version, &b.version))
    })
}

/// Debian's order of versions: epoch, upstream, revision; digits by value, `~` before the end,
/// letters before everything else.
fn compare(a: &str, b: &str) -> Ordering {
    let split = |text: &str| {
        let (epoch, rest) = text.split_once(':').unwrap_or(("0", text));
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        (
            epoch.parse::<u32>().unwrap_or(0),
            upstream.to_owned(),
            revision.to_owned(),
        )
    };
    let ((ea, ua, ra), (eb, ub, rb)) = (split(a), split(b));
    ea.cmp(&eb)
        .then_with(|| compare_part(ua.as_bytes(), ub.as_bytes()))
        .then_with(|| compare_part(ra.as_bytes(), rb.as_bytes()))
}

fn compare_part(mut a: &[u8], mut b: &[u8]) -> Ordering {
    let weight = |byte: Option<&u8>| match byte {
        Some(b'~') => -1,
        None => 0,
        Some(digit) if digit.is_ascii_digit() => 0,
        Some(letter) if letter.is_ascii_alphabetic() => i32::from(*letter),
        Some(other) => i32::from(*other) + 256,
    };
    while !a.is_empty() || !b.is_empty() {
        let text = |part: &[u8]| part.first().is_some_and(|byte| !byte.is_ascii_digit());
        while text(a) || text(b) {
            let order = weight(a.first()).cmp(&weight(b.first()));
            if order.is_ne() {
                return order;
            }
            (a, b) = (a.get(1..).unwrap_or(&[]), b.get(1..).unwrap_or(&[]));
        }
        let ((na, rest_a), (nb, rest_b)) = (number(a), number(b));
        let order = na.len().cmp(&nb.len()).then_with(|| na.cmp(nb));
        if order.is_ne() {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
    Ordering::Equal
}

/// The digits at the front without leading zeroes, and what follows.
fn number(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(end);
    let zeroes = digits.iter().take_while(|byte| **byte == b'0').count();
    (&digits[zeroes..], rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(rows: &[(&str, &str)]) -> Vec<Candidate> {
        let rows: Vec<_> = rows
            .iter()
            .map(|(name, version)| ((*name).to_owned(), (*version).to_owned()))
            .collect();
        candidates(&rows)
    }

    #[test]
    fn only_real_kernels_of_the_flavour_are_candidates() {
        let release =
            |name| kernel_name(name).map(|(release, series)| (release, series.to_string()));
        assert_eq!(
            release("linux-image-6.12.117+deb13-cloud-amd64"),
            Some(("6.12.117+deb13-cloud-amd64", "6.12".to_owned()))
        );
        assert_eq!(
            release("linux-image-5.10.0-46-cloud-amd64").unwrap().1,
            "5.10"
        );
        for other in [
            "linux-image-cloud-amd64",
            "linux-image-6.12-cloud-amd64",
            "linux-image-6.1.0-56-amd64",
            "linux-image-6.1.0-56-cloud-amd64-dbg",
            "linux-image-6.1.0-56-cloud-amd64-unsigned",
            "linux-headers-6.1.0-56-cloud-amd64",
        ] {
            assert_eq!(release(other), None, "{other}");
        }
    }

    #[test]
    fn the_newest_package_of_the_series_is_chosen() {
        let all = index(&[
            ("linux-image-6.1.0-9-cloud-amd64", "6.1.27-1"),
            ("linux-image-6.1.0-56-cloud-amd64", "6.1.192-2"),
            ("linux-image-6.1.0-56-cloud-amd64", "6.1.192-1"),
            ("linux-image-6.12.9-cloud-amd64", "6.12.9-1"),
        ]);
        let chosen = newest(&all, "6.1".parse().unwrap()).unwrap();
        assert_eq!(chosen.version, "6.1.192-2");
        assert_eq!(newest(&all, "6.2".parse().unwrap()), None);
    }

    #[test]
    fn newest_is_the_highest_series_and_ten_is_more_than_nine() {
        let all = index(&[
            ("linux-image-6.18.15+deb13-cloud-amd64", "6.18.15-1~bpo13+1"),
            ("linux-image-6.9.1-cloud-amd64", "6.9.1-1"),
        ]);
        let chosen = newest(&all, Wanted::Newest).unwrap();
        assert_eq!(chosen.series.to_string(), "6.18");
    }

    #[test]
    fn versions_are_ordered_as_debian_orders_them() {
        for (less, more) in [
            ("6.1.9-1", "6.1.10-1"),
            ("7.3.4-1~bpo13+1", "7.3.4-1"),
            ("6.1.192-1", "6.1.192-2"),
            ("9.0-1", "1:1.0-1"),
            ("6.1~rc5-1", "6.1-1"),
            ("6.1.1-1", "6.1.1-1+b1"),
        ] {
            assert_eq!(compare(less, more), Ordering::Less, "{less} {more}");
            assert_eq!(compare(more, less), Ordering::Greater, "{more} {less}");
        }
        assert_eq!(compare("6.01-1", "6.1-1"), Ordering::Equal);
    }

    #[test]
    fn what_is_no_series_is_refused() {
        assert!("6".parse::<Wanted>().is_err());
        assert!("6.x".parse::<Wanted>().is_err());
        assert_eq!("newest".parse(), Ok(Wanted::Newest));
    }
}
