//! `tcptrace schema`: the JSON Schema of the NDJSON output.

use super::exit::Exit;
use crate::sink::schema::schema;

/// Prints it.
pub fn run() -> anyhow::Result<Exit> {
    super::print(format!("{:#}\n", schema()).as_bytes())
}
