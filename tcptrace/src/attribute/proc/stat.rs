//! Turns the text of /proc/PID/stat and /proc/PID/status into numbers. Pure; `None` for text that
//! does not hold what is asked for.

/// The fields of /proc/PID/stat that identify and place a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// Field 2 without its parentheses, escaped by the kernel, invalid UTF-8 replaced.
    pub comm: String,
    /// Field 3, the state letter (`Z` for a zombie).
    pub state: char,
    /// Field 4.
    pub ppid: u32,
    /// Fields 14 and 15: CPU time in user and kernel mode, clock ticks.
    pub cpu_ticks: u64,
    /// Field 20.
    pub threads: u32,
    /// Field 22.
    pub start_ticks: u64,
}

/// Reads the text of a stat file.
///
/// The name may itself hold blanks, parentheses and line feeds, so the fields are counted from
/// the last closing parenthesis: behind it there are only numbers.
#[must_use]
pub fn parse_stat(text: &[u8]) -> Option<Stat> {
    let open = text.iter().position(|byte| *byte == b'(')?;
    let close = text.iter().rposition(|byte| *byte == b')')?;
    let comm = text.get(open + 1..close)?;
    let rest = std::str::from_utf8(text.get(close + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let (state, ppid) = (fields.next()?, fields.next()?);
    // From here on nth() counts what is skipped: fields 5 to 13, 16 to 19, then 21.
    let user: u64 = fields.nth(9)?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Stat {
        comm: String::from_utf8_lossy(comm).into_owned(),
        state: state.chars().next()?,
        ppid: ppid.parse().ok()?,
        cpu_ticks: user.saturating_add(system),
        threads: fields.nth(4)?.parse().ok()?,
        start_ticks: fields.nth(1)?.parse().ok()?,
    })
}

/// The effective user in the text of a status file (second number of its `Uid:` line).
#[must_use]
pub fn parse_effective_uid(text: &[u8]) -> Option<u32> {
    // Names are escaped in this file, so that no process can forge a line.
    let line = text
        .split(|byte| *byte == b'\n')
        .find_map(|line| line.strip_prefix(b"Uid:"))?;
    std::str::from_utf8(line)
        .ok()?
        .split_ascii_whitespace()
        .nth(1)?
        .parse()
        .ok()
}
