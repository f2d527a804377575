//! The paths a source file names (`use` trees and paths in code alike), made absolute.
//!
//! Items under `#[cfg(test)]` are left out: tests bring in what they feed to the code. Macros are
//! read like other code. A path built by a macro is not seen.

use super::rust_text::{Token, TokenKind, tokens};

/// One path with the line it is on. Inside the crate it begins with `crate`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NamedPath {
    pub(super) line: usize,
    pub(super) segments: Vec<String>,
    /// Whether a `use` brings it in.
    pub(super) is_use: bool,
    /// Whether that `use` passes it on, as `pub use` and `pub(crate) use` do.
    pub(super) is_reexport: bool,
}

impl NamedPath {
    /// As one would write it.
    pub(super) fn text(&self) -> String {
        self.segments.join("::")
    }
}

/// The paths in `text`, which is the module `module` of its crate (empty for the root).
pub(super) fn named_paths(text: &str, module: &[String]) -> Vec<NamedPath> {
    let tokens = product_tokens(text);
    let mut reader = Reader {
        tokens: &tokens,
        at: 0,
        inline: Vec::new(),
        depth: 0,
        is_reexport: false,
        found: Vec::new(),
    };
    reader.read(module);
    reader.found
}

/// Everything but comments and items under `#[cfg(test)]`.
pub(super) fn product_tokens(text: &str) -> Vec<Token<'_>> {
    let all: Vec<Token<'_>> = tokens(text)
        .into_iter()
        .filter(|token| !matches!(token.kind, TokenKind::Comment(_)))
        .collect();
    let mut kept = Vec::with_capacity(all.len());
    let mut at = 0;
    while at < all.len() {
        if is_test_attribute(&all[at..]) {
            at = item_end(&all, at);
        } else {
            kept.push(all[at]);
            at += 1;
        }
    }
    kept
}

/// Whether `#[cfg(test)]` begins here.
fn is_test_attribute(tokens: &[Token<'_>]) -> bool {
    use TokenKind::{Mark, Word};
    let wanted = [
        Mark('#'),
        Mark('['),
        Word("cfg"),
        Mark('('),
        Word("test"),
        Mark(')'),
        Mark(']'),
    ];
    tokens.len() >= wanted.len()
        && tokens
            .iter()
            .zip(wanted)
            .all(|(token, kind)| token.kind == kind)
}

/// Past the item whose first attribute is at `start`: its `;` or its closing brace.
fn item_end(tokens: &[Token<'_>], start: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(start) {
        match token.kind {
            TokenKind::Mark('(' | '[' | '{') => depth += 1,
            TokenKind::Mark(')' | ']') => depth = depth.saturating_sub(1),
            TokenKind::Mark('}') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            TokenKind::Mark(';') if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

struct Reader<'t, 'a> {
    tokens: &'t [Token<'a>],
    at: usize,
    /// Inline modules around this place and the brace depth inside each.
    inline: Vec<(&'a str, usize)>,
    depth: usize,
    /// Whether the `use` being read passes its names on.
    is_reexport: bool,
    found: Vec<NamedPath>,
}

impl<'a> Reader<'_, 'a> {
    fn kind(&self, at: usize) -> Option<TokenKind<'a>> {
        self.tokens.get(at).map(|token| token.kind)
    }

    fn read(&mut self, module: &[String]) {
        let mut is_use = false;
        while let Some(kind) = self.kind(self.at) {
            match kind {
                TokenKind::Word("use") => {
                    is_use = true;
                    self.is_reexport = self.follows_visibility();
                    self.at += 1;
                    continue;
                }
                TokenKind::Word("mod") => self.enter_inline_module(),
                TokenKind::Word(_) if !self.is_member() => {
                    self.path(module, Vec::new(), is_use);
                    is_use = false;
                    continue;
                }
                TokenKind::Mark('{') if is_use => {
                    self.group(module, &[]);
                    is_use = false;
                    continue;
                }
                TokenKind::Mark('{') => self.depth += 1,
                TokenKind::Mark('}') => {
                    self.depth = self.depth.saturating_sub(1);
                    self.inline.retain(|(_, inside)| *inside <= self.depth);
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    /// Whether `pub` or `pub(...)` ends just before this place.
    fn follows_visibility(&self) -> bool {
        let before = &self.tokens[..self.at];
        let open = match before.last().map(|token| token.kind) {
            Some(TokenKind::Mark(')')) => before
                .iter()
                .rposition(|token| token.kind == TokenKind::Mark('(')),
            _ => Some(before.len()),
        };
        let word = open.and_then(|open| self.kind(open.checked_sub(1)?));
        word == Some(TokenKind::Word("pub"))
    }

    /// A word after `.` is a field or a method.
    fn is_member(&self) -> bool {
        self.at > 0 && self.kind(self.at - 1) == Some(TokenKind::Mark('.'))
    }

    fn enter_inline_module(&mut self) {
        if let (Some(TokenKind::Word(name)), Some(TokenKind::Mark('{'))) =
            (self.kind(self.at + 1), self.kind(self.at + 2))
        {
            self.inline.push((name, self.depth + 1));
        }
    }

    /// Reads the path that begins here, after `prefix`; a lone word counts only in a `use`.
    fn path(&mut self, module: &[String], prefix: Vec<&'a str>, is_use: bool) {
        let line = self.tokens[self.at].line;
        let mut segments = prefix;
        while let Some(TokenKind::Word(word)) = self.kind(self.at) {
            segments.push(word);
            self.at += 1;
            if self.kind(self.at) != Some(TokenKind::PathSeparator) {
                break;
            }
            self.at += 1;
            match self.kind(self.at) {
                Some(TokenKind::Mark('{')) => return self.group(module, &segments),
                Some(TokenKind::Mark('*')) => {
                    segments.push("*");
                    self.at += 1;
                }
                _ => {}
            }
        }
        if is_use || segments.len() > 1 {
            self.push(module, line, &segments, is_use);
        }
    }

    fn push(&mut self, module: &[String], line: usize, segments: &[&str], is_use: bool) {
        let segments = self.absolute(module, segments);
        self.found.push(NamedPath {
            line,
            segments,
            is_use,
            is_reexport: is_use && self.is_reexport,
        });
    }

    /// Reads `{a, b::c}` after `prefix`.
    fn group(&mut self, module: &[String], prefix: &[&'a str]) {
        self.at += 1;
        while let Some(kind) = self.kind(self.at) {
            match kind {
                TokenKind::Mark('}') => {
                    self.at += 1;
                    return;
                }
                TokenKind::Word("as") => self.at += 2,
                TokenKind::Word(_) => self.path(module, prefix.to_vec(), true),
                TokenKind::Mark('{') => self.group(module, prefix),
                TokenKind::Mark('*') => {
                    let line = self.tokens[self.at].line;
                    let mut segments = prefix.to_vec();
                    segments.push("*");
                    self.push(module, line, &segments, true);
                    self.at += 1;
                }
                _ => self.at += 1,
            }
        }
    }

    /// `self` and `super` replaced by where this place is.
    fn absolute(&self, module: &[String], segments: &[&str]) -> Vec<String> {
        let mut here: Vec<String> = module.to_vec();
        here.extend(self.inline.iter().map(|(name, _)| (*name).to_owned()));
        let mut rest = segments;
        let mut is_relative = false;
        while let Some((first, after)) = rest.split_first() {
            match *first {
                "self" => {}
                "super" => {
                    here.pop();
                }
                _ => break,
            }
            is_relative = true;
            rest = after;
        }
        let mut absolute = Vec::new();
        if is_relative {
            absolute.push("crate".to_owned());
            absolute.append(&mut here);
        }
        absolute.extend(rest.iter().map(|segment| (*segment).to_owned()));
        absolute
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let module = ["sink".to_owned(), "text".to_owned()];
        named_paths(text, &module)
            .iter()
            .map(NamedPath::text)
            .collect()
    }

    #[test]
    fn use_trees_are_spread_out() {
        assert_eq!(
            found("pub use crate::{model::{Event, flow::*}, kernel as k};\nuse aya;"),
            [
                "crate::model::Event",
                "crate::model::flow::*",
                "crate::kernel",
                "aya"
            ]
        );
    }

    #[test]
    fn names_that_are_passed_on_are_reported_from_names_that_are_used() {
        let text = "pub use a::B; pub(crate) use c::{D, E}; use f::G; fn h() { i::j() }";
        let passed_on: Vec<(bool, bool)> = named_paths(text, &[])
            .iter()
            .map(|path| (path.is_use, path.is_reexport))
            .collect();
        let [passed, used, code] = [(true, true), (true, false), (false, false)];
        assert_eq!(passed_on, [passed, passed, passed, used, code]);
    }

    #[test]
    fn paths_in_code_count_and_members_do_not() {
        assert_eq!(
            found("fn f(x: &crate::kernel::Btf) { x.model.go(); std::fs::read::<u8>(x) }"),
            ["crate::kernel::Btf", "std::fs::read"]
        );
    }

    #[test]
    fn relative_paths_are_made_absolute() {
        assert_eq!(
            found("use super::json; use self::a::B; use super::super::query::Row;"),
            [
                "crate::sink::json",
                "crate::sink::text::a::B",
                "crate::query::Row"
            ]
        );
        assert_eq!(
            found("mod inner { use super::X; } use super::Y;"),
            ["crate::sink::text::X", "crate::sink::Y"]
        );
    }

    #[test]
    fn tests_are_left_out_and_what_follows_them_is_not() {
        let text = "#[cfg(test)] use crate::a::B;\n#[cfg(test)] #[path = \"x\"] mod tests;\n\
                    #[cfg(test)] mod t { use crate::kernel::X; fn f() {} }\nuse crate::query::Q;";
        assert_eq!(found(text), ["crate::query::Q"]);
    }

    #[test]
    fn strings_and_comments_name_no_paths() {
        assert_eq!(
            found("// crate::kernel::X\nlet a = \"crate::kernel::X\";"),
            [""; 0]
        );
    }

    #[test]
    fn broken_text_ends() {
        for text in [
            "use crate::{",
            "use a::",
            "mod",
            "#[cfg(test)]",
            "}}}",
            "use {",
        ] {
            let _all = found(text);
        }
    }
}
