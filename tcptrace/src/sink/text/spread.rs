//! The details of several lines as one: equal words stay, numbers become ranges, other words `…`.

use std::fmt::{self, Write};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spread(Vec<Word>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    /// The same in all.
    Same(String),
    /// A number within a word that is the same around it.
    Range {
        before: String,
        least: u64,
        most: u64,
        after: String,
    },
    /// Different ones.
    Other,
}

impl Spread {
    /// Of one line.
    pub(super) fn of(detail: &str) -> Self {
        Self(detail.split(' ').map(Word::of).collect())
    }

    /// One line more. Words beyond the shorter of both differ.
    pub(super) fn add(&mut self, detail: &str) {
        let mut words = detail.split(' ');
        for own in &mut self.0 {
            match words.next() {
                Some(word) => own.add(word),
                None => *own = Word::Other,
            }
        }
        if words.next().is_some() && self.0.last() != Some(&Word::Other) {
            self.0.push(Word::Other);
        }
    }
}

impl Word {
    fn of(text: &str) -> Self {
        match parts(text) {
            Some((before, number, after)) => Self::Range {
                before: before.to_owned(),
                least: number,
                most: number,
                after: after.to_owned(),
            },
            None => Self::Same(text.to_owned()),
        }
    }

    fn add(&mut self, text: &str) {
        match self {
            Self::Same(own) if own == text => {}
            Self::Range {
                before,
                least,
                most,
                after,
            } => match parts(text) {
                Some((own_before, number, own_after))
                    if own_before == before && own_after == after =>
                {
                    *least = number.min(*least);
                    *most = number.max(*most);
                }
                _ => *self = Self::Other,
            },
            Self::Same(_) | Self::Other => *self = Self::Other,
        }
    }
}

/// A word around its first number.
fn parts(text: &str) -> Option<(&str, u64, &str)> {
    let begin = text.find(|c: char| c.is_ascii_digit())?;
    let (before, rest) = text.split_at(begin);
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (number, after) = rest.split_at(end);
    Some((before, number.parse().ok()?, after))
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = None;
        for word in &self.0 {
            if *word == Word::Other && before == Some(&Word::Other) {
                continue;
            }
            if before.is_some() {
                f.write_char(' ')?;
            }
            before = Some(word);
            match word {
                Word::Same(text) => f.write_str(text)?,
                Word::Other => f.write_char('…')?,
                Word::Range {
                    before,
                    least,
                    most,
                    after,
                } if least == most => write!(f, "{before}{least}{after}")?,
                Word::Range {
                    before,
                    least,
                    most,
                    after,
                } => write!(f, "{before}{least}-{most}{after}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spread(details: &[&str]) -> String {
        let mut spread = Spread::of(details[0]);
        details.iter().for_each(|detail| spread.add(detail));
        spread.to_string()
    }

    #[test]
    fn equal_words_stay_and_numbers_become_ranges() {
        assert_eq!(spread(&["129/128 dropped syn"; 3]), "129/128 dropped syn");
        let queues = ["131/128 dropped syn", "129/128 dropped syn"];
        assert_eq!(spread(&queues), "129-131/128 dropped syn");
        let sizes = ["unread_data 22B lost", "unread_data 4096B lost"];
        assert_eq!(spread(&sizes), "unread_data 22-4096B lost");
        assert_eq!(spread(&["rto #3 8B", "rto #1 8B"]), "rto #1-3 8B");
    }

    #[test]
    fn what_differs_otherwise_is_left_open() {
        assert_eq!(spread(&["rto #1 8B", "fast #1 8B"]), "… #1 8B");
        assert_eq!(spread(&["a b c", "a x y"]), "a …");
        assert_eq!(spread(&["a", "a b c"]), "a …");
        assert_eq!(spread(&["a b c", "a"]), "a …");
        assert_eq!(spread(&["1.5s", "2s"]), "…");
        assert_eq!(spread(&["99999999999999999999", "1"]), "…");
    }

    proptest! {
        #[test]
        fn lines_that_are_equal_are_their_spread(words in "[a-z#=.…]{1,9}( [a-z0-9/=]{1,9}){0,4}") {
            let text = spread(&[words.as_str(); 2]);
            // A number loses its leading zeros.
            let plain = |text: &str| text.replace('0', "");
            prop_assert_eq!(plain(&text), plain(&words));
        }
    }
}
