//! Any bytes as a datagram of the kernel's socket list: an end after the first malformed message.

use tcptrace::source::sock_diag::parse_messages;

/// Reads all messages of `data`.
pub fn run(data: &[u8]) {
    let mut messages = parse_messages(data);
    // No message is shorter than its header of 16 bytes.
    let most = data.len() / 16 + 1;
    for (count, message) in messages.by_ref().enumerate() {
        assert!(count < most, "more messages than fit");
        if message.is_err() {
            break;
        }
    }
    assert!(messages.next().is_none(), "a message after a malformed one");
}
