//! Circles between modules of a crate: `a` names something of `b`, and `b`, perhaps through others,
//! something of `a`. A module stands for its file and all below it.
//!
//! A path counts for the file that defines its last name, so re-exports in a `mod.rs` are followed:
//! a file that imports a sibling's type through its parent does not depend on the parent. A method
//! call names no file and is not seen. Code under `#[cfg(test)]` is left out. A file may use what
//! the modules around it define: that is what their private items are for. What no module may do is
//! use a neighbour that uses it in turn.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::paths::{NamedPath, named_paths, product_tokens};
use super::rust_text::{Token, TokenKind};

/// One file of a crate as this check needs it.
pub(super) struct File {
    /// Path from the workspace root, for messages.
    pub(super) name: String,
    /// `[kernel, btf]` for `kernel/btf.rs`.
    pub(super) module: Vec<String>,
    pub(super) text: String,
}

/// Words before the name of an item.
const ITEMS: [&str; 10] = [
    "const",
    "enum",
    "fn",
    "macro_rules",
    "mod",
    "static",
    "struct",
    "trait",
    "type",
    "union",
];

/// How many re-exports of re-exports are followed.
const HOPS: usize = 8;

/// What one module offers and names.
struct Module {
    /// Items defined in the file, inline modules included.
    items: Vec<String>,
    /// Paths it names, absolute.
    paths: Vec<NamedPath>,
    /// Of those, the ones that a `use` brings in, absolute: `[crate, model, Event]`.
    uses: Vec<Vec<String>>,
}

/// The files of a crate, and which file names something of which.
struct Graph<'f> {
    files: &'f [File],
    by_module: BTreeMap<Vec<String>, usize>,
    modules: Vec<Module>,
    /// Per file: the files it depends on, each with the line and the path that says so first.
    edges: Vec<BTreeMap<usize, (usize, String)>>,
}

/// Child by child of one module: what it depends on, with a line that shows it.
type Steps<'s> = BTreeMap<&'s str, BTreeMap<&'s str, String>>;

/// One sentence for each circle, with the shortest way around it.
pub(super) fn findings(files: &[File]) -> Vec<String> {
    Graph::new(files).circles()
}

impl<'f> Graph<'f> {
    fn new(files: &'f [File]) -> Self {
        let by_module: BTreeMap<Vec<String>, usize> = files
            .iter()
            .enumerate()
            .map(|(at, file)| (file.module.clone(), at))
            .collect();
        let modules: Vec<Module> = files
            .iter()
            .map(|file| {
                let tokens = product_tokens(&file.text);
                let paths = named_paths(&file.text, &file.module);
                Module {
                    items: items(&tokens),
                    uses: uses(&paths, &file.module, &by_module),
                    paths,
                }
            })
            .collect();
        let mut graph = Self {
            files,
            by_module,
            modules,
            edges: vec![BTreeMap::new(); files.len()],
        };
        for at in 0..files.len() {
            graph.edges[at] = graph.edges_of(at);
        }
        graph
    }

    fn edges_of(&self, at: usize) -> BTreeMap<usize, (usize, String)> {
        let mut edges = BTreeMap::new();
        for path in &self.modules[at].paths {
            let Some(segments) = self.in_crate(at, &path.segments) else {
                continue;
            };
            if path.is_reexport {
                // What is only passed on is a dependency of those who use it.
                continue;
            }
            for target in self.resolve(&segments, HOPS) {
                if !self.is_around(target, at) {
                    edges
                        .entry(target)
                        .or_insert_with(|| (path.line, path.text()));
                }
            }
        }
        edges
    }

    /// Whether the module of `outer` contains that of `inner`, or is the same.
    fn is_around(&self, outer: usize, inner: usize) -> bool {
        self.files[inner]
            .module
            .starts_with(&self.files[outer].module)
    }

    /// The path from the crate's root, when it leads into the crate: it begins with `crate`, with a
    /// module below this one, or with a module that a `use` brought in.
    fn in_crate(&self, at: usize, segments: &[String]) -> Option<Vec<String>> {
        let (first, rest) = segments.split_first()?;
        if first == "crate" {
            return Some(rest.to_vec());
        }
        let mut child = self.files[at].module.clone();
        child.push(first.clone());
        if self.by_module.contains_key(&child) {
            child.extend(rest.iter().cloned());
            return Some(child);
        }
        let import = self.modules[at]
            .uses
            .iter()
            .find(|import| import.last() == Some(first) && self.by_module.contains_key(*import))?;
        Some(import.iter().chain(rest).cloned().collect())
    }

    /// The files that define what `segments`, from the crate's root, names. A module with children
    /// that is named as such is no file's item: what is taken from it is named elsewhere.
    fn resolve(&self, segments: &[String], hops: usize) -> Vec<usize> {
        let known = (0..=segments.len())
            .rev()
            .find_map(|length| Some((length, *self.by_module.get(&segments[..length])?)));
        let Some((length, at)) = known else {
            return Vec::new();
        };
        let Some(name) = segments.get(length) else {
            let has_children = self.by_module.keys().any(|module| {
                module.len() > segments.len() && module[..segments.len()] == *segments
            });
            return if has_children { Vec::new() } else { vec![at] };
        };
        let module = &self.modules[at];
        if hops == 0 || module.items.contains(name) {
            return vec![at];
        }
        let follow = |import: &[String]| -> Vec<usize> {
            let target: Vec<String> = import
                .iter()
                .chain(&segments[length + 1..])
                .cloned()
                .collect();
            self.resolve(&target, hops - 1)
        };
        if name == "*" {
            let all: Vec<usize> = module
                .uses
                .iter()
                .flat_map(|import| follow(import))
                .collect();
            return if module.items.is_empty() {
                all
            } else {
                vec![at]
            };
        }
        if let Some(import) = module
            .uses
            .iter()
            .find(|import| import.last() == Some(name))
        {
            return follow(import);
        }
        let by_glob = module
            .uses
            .iter()
            .filter(|import| import.last().is_some_and(|last| last == "*"))
            .filter_map(|import| {
                let from = *self.by_module.get(&import[..import.len() - 1])?;
                self.modules[from].items.contains(name).then_some(from)
            });
        by_glob.chain([at]).take(1).collect()
    }

    /// The circles among the children of each module: a child stands for its file and all below it.
    fn circles(&self) -> Vec<String> {
        let parents: BTreeSet<&[String]> = self
            .files
            .iter()
            .flat_map(|file| (0..file.module.len()).map(|length| &file.module[..length]))
            .collect();
        let mut circles = Vec::new();
        for parent in parents {
            let steps = self.steps_below(parent);
            let mut pending: BTreeSet<&str> = steps.keys().copied().collect();
            while let Some(child) = pending.pop_first() {
                let reached = reach(&steps, child);
                let members: BTreeSet<&str> = reached
                    .into_iter()
                    .filter(|other| reach(&steps, other).contains(child))
                    .collect();
                if members.is_empty() {
                    continue;
                }
                pending.retain(|other| !members.contains(other));
                circles.push(Self::circle(parent, &members, &steps));
            }
        }
        circles
    }

    /// Which child of `parent` depends on which, and where a file says so first.
    fn steps_below(&self, parent: &[String]) -> Steps<'f> {
        let child = |at: usize| -> Option<&'f str> {
            let below = self.files[at].module.strip_prefix(parent)?;
            Some(below.first()?.as_str())
        };
        let mut steps = Steps::new();
        for (from, edges) in self.edges.iter().enumerate() {
            for (&to, (line, path)) in edges {
                let (Some(from_child), Some(to_child)) = (child(from), child(to)) else {
                    continue;
                };
                if from_child != to_child {
                    let says = || {
                        let [from, to] = [from, to].map(|at| &self.files[at].name);
                        format!("    {from}:{line}: `{path}` is in {to}")
                    };
                    let of_child = steps.entry(from_child).or_default();
                    of_child.entry(to_child).or_insert_with(says);
                }
            }
        }
        steps
    }

    fn circle(parent: &[String], members: &BTreeSet<&str>, steps: &Steps<'_>) -> String {
        let names: Vec<String> = members
            .iter()
            .map(|member| {
                let mut module = parent.to_vec();
                module.push((*member).to_owned());
                module.join("::")
            })
            .collect();
        let way = members
            .iter()
            .filter_map(|member| way_back(steps, member))
            .min_by_key(Vec::len)
            .unwrap_or_default();
        let says: Vec<&str> = way
            .windows(2)
            .map(|step| steps[step[0]][step[1]].as_str())
            .collect();
        format!(
            "  {} modules import one another in a circle:\n{}",
            names.join(", "),
            says.join("\n")
        )
    }
}

/// All that can be reached from `start`; `start` itself only by a circle.
fn reach<'s>(steps: &Steps<'s>, start: &str) -> BTreeSet<&'s str> {
    let mut reached = BTreeSet::new();
    let mut pending = vec![start];
    while let Some(at) = pending.pop() {
        for &to in steps.get(at).into_iter().flat_map(BTreeMap::keys) {
            if reached.insert(to) {
                pending.push(to);
            }
        }
    }
    reached
}

/// The shortest way from a child to itself, both ends included.
fn way_back<'s>(steps: &'s Steps<'_>, start: &'s str) -> Option<Vec<&'s str>> {
    let mut ways = VecDeque::from([vec![start]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for &to in steps.get(way.last()?).into_iter().flat_map(BTreeMap::keys) {
            let longer: Vec<&str> = way.iter().copied().chain([to]).collect();
            if to == start {
                return Some(longer);
            }
            if seen.insert(to) {
                ways.push_back(longer);
            }
        }
    }
    None
}

/// The names of all items, wherever in the file they are defined.
fn items(tokens: &[Token<'_>]) -> Vec<String> {
    let mut names = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let TokenKind::Word(word) = token.kind else {
            continue;
        };
        if !ITEMS.contains(&word) {
            continue;
        }
        // `macro_rules! name`, `static mut NAME`; a module in a file of its own is not an item.
        let name = tokens[at + 1..]
            .iter()
            .take(2)
            .find_map(|token| match token.kind {
                TokenKind::Word(name) if name != "mut" => Some(name),
                _ => None,
            });
        let is_file = word == "mod"
            && tokens
                .get(at + 2)
                .is_some_and(|token| token.kind == TokenKind::Mark(';'));
        if let Some(name) = name.filter(|_| !is_file) {
            names.push(name.to_owned());
        }
    }
    names
}

/// The paths that `use` brings in, from the crate's root and without `crate`.
fn uses(
    paths: &[NamedPath],
    module: &[String],
    by_module: &BTreeMap<Vec<String>, usize>,
) -> Vec<Vec<String>> {
    let absolute = |path: &NamedPath| {
        let (first, rest) = path.segments.split_first()?;
        if first == "crate" {
            return Some(rest.to_vec());
        }
        let mut child = module.to_vec();
        child.push(first.clone());
        by_module.contains_key(&child).then(|| {
            child.extend(rest.iter().cloned());
            child
        })
    };
    paths
        .iter()
        .filter(|path| path.is_use)
        .filter_map(absolute)
        .collect()
}

#[cfg(test)]
#[path = "circles_tests.rs"]
mod tests;
