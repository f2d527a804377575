//! What a reader was asked: for making small blobs that still answer, and for detecting when such a
//! blob is too old to do so.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// One question to a kernel's types.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    /// Where the member `path` of `strukt` lies.
    Field {
        /// The struct or union.
        strukt: String,
        /// The path in it.
        path: String,
    },
    /// How large a struct is.
    Size(String),
    /// The variants of an enum.
    Enum(String),
    /// The value of a variant of any enum.
    Variant(String),
    /// The prototype of a function.
    Function(String),
    /// The prototype behind a typedef.
    Typedef(String),
}

impl Question {
    pub(super) fn field(strukt: &str, path: &str) -> Question {
        Question::Field {
            strukt: strukt.to_owned(),
            path: path.to_owned(),
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Question::Field { strukt, path } => write!(f, "field {strukt} {path}"),
            Question::Size(strukt) => write!(f, "size {strukt}"),
            Question::Enum(name) => write!(f, "enum {name}"),
            Question::Variant(name) => write!(f, "variant {name}"),
            Question::Function(name) => write!(f, "function {name}"),
            Question::Typedef(name) => write!(f, "typedef {name}"),
        }
    }
}

/// The questions so far, each once.
#[derive(Debug, Default)]
pub(super) struct Notes(Mutex<BTreeSet<Question>>);

impl Notes {
    pub(super) fn add(&self, question: Question) {
        // A set of finished values is whole even if a thread ended while it held the lock.
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        notes.insert(question);
    }

    pub(super) fn sorted(&self) -> Vec<Question> {
        let notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        notes.iter().cloned().collect()
    }
}
