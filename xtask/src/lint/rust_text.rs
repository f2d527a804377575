//! Rust source text into words, punctuation and comments: as much of a lexer as the checks need.
//!
//! Strings, characters and lifetimes vanish, so that what is said in text is never taken for code.
//! Text that is not Rust gives some tokens, never an error: the compiler is the one to complain.

/// One thing of the source with the line it is on, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) line: usize,
    pub(super) kind: TokenKind<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind<'a> {
    Word(&'a str),
    /// `::`
    PathSeparator,
    /// Any other single character of punctuation.
    Mark(char),
    Comment(&'a str),
    /// A literal of text, with its quotes: only for [`prose`].
    Text(&'a str),
}

/// All tokens of `text`, in order.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    read(text, false)
}

/// Comments and literals of `text`, in order, among the other tokens.
pub(super) fn prose(text: &str) -> Vec<Token<'_>> {
    read(text, true)
}

fn read(text: &str, has_literals: bool) -> Vec<Token<'_>> {
    let mut reader = Reader {
        text,
        at: 0,
        line: 1,
        has_literals,
    };
    let mut tokens = Vec::new();
    while let Some(token) = reader.next_token() {
        tokens.push(token);
    }
    tokens
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    has_literals: bool,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Takes the next `length` bytes, which must end at a character boundary.
    fn take(&mut self, length: usize) -> &'a str {
        let taken = &self.rest()[..length];
        self.at += length;
        self.line += taken.matches('\n').count();
        taken
    }

    fn next_token(&mut self) -> Option<Token<'a>> {
        loop {
            let rest = self.rest();
            let first = rest.chars().next()?;
            let line = self.line;
            let token = |kind| Some(Token { line, kind });
            if rest.starts_with("//") {
                let length = rest.find('\n').unwrap_or(rest.len());
                return token(TokenKind::Comment(self.take(length)));
            }
            if rest.starts_with("/*") {
                return token(TokenKind::Comment(self.take(block_comment_length(rest))));
            }
            if let Some(length) = literal_length(rest) {
                let literal = self.take(length);
                if self.has_literals && literal.ends_with(['"', '#']) {
                    return token(TokenKind::Text(literal));
                }
                continue;
            }
            if is_word_start(first) {
                let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                return token(TokenKind::Word(self.take(length)));
            }
            if rest.starts_with("::") {
                self.take(2);
                return token(TokenKind::PathSeparator);
            }
            self.take(first.len_utf8());
            if !first.is_whitespace() && !first.is_ascii_digit() {
                return token(TokenKind::Mark(first));
            }
        }
    }
}

fn is_word_start(character: char) -> bool {
    character.is_alphabetic() || character == '_'
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Block comments nest.
fn block_comment_length(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while let Some(found) = text[at..].find(['/', '*']) {
        at += found;
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

/// The length of the string, character, lifetime or number that `text` starts with.
fn literal_length(text: &str) -> Option<usize> {
    let first = text.chars().next()?;
    if first.is_ascii_digit() {
        // Suffixes belong to the number: 0xff_u32, 1e5.
        return Some(text.find(|c| !is_word(c)).unwrap_or(text.len()));
    }
    let prefix = ["br", "cr", "b", "c", "r"].into_iter().find(|prefix| {
        text.strip_prefix(prefix).is_some_and(|rest| {
            rest.starts_with('"')
                || (prefix.ends_with('r') && raw_string_length(rest).is_some())
                || (*prefix == "b" && rest.starts_with('\''))
        })
    });
    let start = prefix.map_or(0, str::len);
    let body = &text[start..];
    let length = if prefix.is_some_and(|prefix| prefix.ends_with('r')) {
        raw_string_length(body)
    } else if body.starts_with('"') {
        Some(quoted_length(body, '"'))
    } else if body.starts_with('\'') {
        Some(quote_length(body))
    } else {
        None
    };
    length.map(|length| start + length)
}

/// `#"..."#` with any number of `#`, none included; None for a raw identifier such as `r#type`.
fn raw_string_length(text: &str) -> Option<usize> {
    let hashes = text.chars().take_while(|c| *c == '#').count();
    let body = text[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(
        body.find(&end)
            .map_or(text.len(), |at| hashes + 1 + at + end.len()),
    )
}

/// A quoted text with backslash escapes, quotes included.
fn quoted_length(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if character == '\\' {
            escaped = true;
        } else if character == quote {
            return at + character.len_utf8();
        }
    }
    text.len()
}

/// After `'`: a character literal, or else a lifetime.
fn quote_length(text: &str) -> usize {
    let mut characters = text.char_indices().skip(1);
    match (characters.next(), characters.next()) {
        (Some((_, '\\')), _) => quoted_length(text, '\''),
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1 + text[1..].find(|c| !is_word(c)).unwrap_or(text.len() - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        tokens(text)
            .into_iter()
            .filter_map(|token| match token.kind {
                TokenKind::Word(word) => Some(word),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn text_in_strings_characters_and_lifetimes_is_not_code() {
        let text =
            r##"let a = "btf \" uname"; b(r#"x " kprobe"#, b"y", 'z', '\'', c"w", &'static q)"##;
        assert_eq!(words(text), ["let", "a", "b", "q"]);
    }

    #[test]
    fn comments_are_kept_apart_from_words_and_nest() {
        let text = "a /* one /* two */ three */ b // four\nc";
        assert_eq!(words(text), ["a", "b", "c"]);
        let comments = tokens(text)
            .iter()
            .filter(|t| matches!(t.kind, TokenKind::Comment(_)))
            .count();
        assert_eq!(comments, 2);
    }

    #[test]
    fn lines_are_counted_through_strings_and_comments() {
        let found = tokens("\"a\nb\"\n/* c\n */ d");
        assert_eq!(
            found.last().unwrap(),
            &Token {
                line: 4,
                kind: TokenKind::Word("d")
            }
        );
    }

    #[test]
    fn raw_identifiers_are_words_and_numbers_are_not() {
        assert_eq!(words("r#type + 0xff_u32 + 1.5e3"), ["r", "type"]);
    }

    #[test]
    fn broken_text_ends() {
        for text in ["\"abc", "'", "'\\", "/* /* */", "r#\"x", "b'", "é'é"] {
            let _all = tokens(text);
        }
    }
}
