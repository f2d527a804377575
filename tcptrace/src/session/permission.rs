//! What to say when privileges are missing.

use crate::kernel::caps::Privileges;
use crate::sink::sanitize::clean;

/// What is missing and how to get it, for every command that attaches hooks; `None`: nothing is.
pub fn lack(privileges: &Privileges) -> Option<String> {
    let binary = std::env::current_exe().unwrap_or_else(|_| "tcptrace".into());
    let words: Vec<String> = std::env::args_os()
        .map(|word| clean(&word.to_string_lossy()))
        .collect();
    let message = privileges.permission_message(&binary, &words.join(" "))?;
    Some(message.lines().map(clean).collect::<Vec<_>>().join("\n"))
}
