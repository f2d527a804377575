//! A whole run as one page for the post-mortem.
//!
//! [`story`] is a sink: it folds what a run or a recording says into what a page needs, in bounded
//! memory however long that was. [`page()`] turns the story into one HTML document that needs nothing
//! else: no network, no script. Nothing here reads a clock or a file, and nothing fails: what is not
//! known is said to be unknown, and what had no room is counted and said.

mod bins;
pub mod page;
mod ranking;
pub mod story;
mod who;

pub use page::page;
pub use story::Story;
