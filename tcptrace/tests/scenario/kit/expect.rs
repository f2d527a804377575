//! What one event should look like, field by field, in the names of the contract. Pure: it judges
//! parsed JSON and knows nothing of processes or time.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::OnceLock;

use serde_json::{Value, json};

use super::command::{Actor, Closed, Conn};

enum Check {
    Is(Value),
    OneOf(Vec<Value>),
    Absent,
    Present,
    Near { value: f64, within: f64 },
    AtLeast(i64),
}

/// Fields an event must have. Every check names its field, so a mismatch says what and where.
pub(crate) struct Expect {
    kind: String,
    checks: Vec<(String, Check)>,
}

/// The value at a dotted path; null where there is none.
pub(crate) fn field<'a>(event: &'a Value, path: &str) -> &'a Value {
    path.split('.')
        .fold(event, |value, name| value.get(name).unwrap_or(&Value::Null))
}

/// Whether the running kernel's types know a name: read here without the help of what is tested.
pub(crate) fn kernel_names(name: &str) -> bool {
    static NAMES: OnceLock<HashSet<Vec<u8>>> = OnceLock::new();
    let names = NAMES.get_or_init(|| {
        let types = std::fs::read("/sys/kernel/btf/vmlinux").expect("BTF");
        types.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect()
    });
    names.contains(name.as_bytes())
}

impl Check {
    fn holds(&self, got: &Value) -> bool {
        match self {
            Self::Is(expected) => got == expected,
            Self::OneOf(allowed) => allowed.contains(got),
            Self::Absent => got.is_null(),
            Self::Present => !(got.is_null() || got == "" || got == 0),
            Self::Near { value, within } => got
                .as_f64()
                .is_some_and(|got| (got - value).abs() <= *within),
            Self::AtLeast(least) => got.as_i64().is_some_and(|got| got >= *least),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Is(expected) => expected.to_string(),
            Self::OneOf(allowed) => format!("one of {}", Value::Array(allowed.clone())),
            Self::Absent => "null or absent".into(),
            Self::Present => "a value that is not null, empty or 0".into(),
            Self::Near { value, within } => format!("{value} within {within}"),
            Self::AtLeast(least) => format!("{least} or more"),
        }
    }
}

impl Expect {
    pub(crate) fn new(kind: &str) -> Self {
        Self {
            kind: kind.into(),
            checks: Vec::new(),
        }
    }

    pub(crate) fn kind(&self) -> &str {
        &self.kind
    }

    pub(crate) fn names_field(&self, path: &str) -> bool {
        self.checks.iter().any(|(name, _)| name == path)
    }

    fn with(mut self, path: &str, check: Check) -> Self {
        self.checks.push((path.into(), check));
        self
    }

    pub(crate) fn is(self, path: &str, value: impl Into<Value>) -> Self {
        self.with(path, Check::Is(value.into()))
    }

    pub(crate) fn one_of(self, path: &str, values: &[&str]) -> Self {
        self.with(
            path,
            Check::OneOf(values.iter().map(|value| json!(value)).collect()),
        )
    }

    pub(crate) fn absent(self, path: &str) -> Self {
        self.with(path, Check::Absent)
    }

    /// Neither null nor a zero or an empty string in the place of null.
    pub(crate) fn present(self, path: &str) -> Self {
        self.with(path, Check::Present)
    }

    pub(crate) fn near(self, path: &str, value: f64, within: f64) -> Self {
        self.with(path, Check::Near { value, within })
    }

    pub(crate) fn at_least(self, path: &str, least: i64) -> Self {
        self.with(path, Check::AtLeast(least))
    }

    pub(crate) fn cause(self, cause: &str) -> Self {
        self.is("cause", cause)
    }

    /// The reset or drop reason by the name the kernel gives it; null on a kernel without it.
    pub(crate) fn reason(self, reason: &str) -> Self {
        let prefix = if self.kind == "rst_sent" {
            "SK_RST_REASON"
        } else {
            "SKB_DROP_REASON"
        };
        if !kernel_names(&format!("{prefix}_{reason}")) {
            return self.absent("reason");
        }
        self.is("reason", reason)
    }

    pub(crate) fn state(self, state: &str) -> Self {
        self.is("state", state)
    }

    /// Exactly this process, by pid and start time, with the name and user it has.
    pub(crate) fn owner(self, actor: &Actor) -> Self {
        self.is("owner.pid", actor.pid)
            .is("owner.start_ticks", actor.start_ticks)
            .is("owner.comm", actor.comm.as_str())
            .is("owner.uid", actor.uid)
    }

    pub(crate) fn basis(self, allowed: &[&str]) -> Self {
        self.one_of("owner.basis", allowed)
    }

    /// Nobody: no process, and no basis that claims one.
    pub(crate) fn no_owner(self) -> Self {
        self.absent("owner.pid").absent("owner.comm").with(
            "owner.basis",
            Check::OneOf(vec![json!("none"), Value::Null]),
        )
    }

    fn end(self, which: &str, addr: SocketAddr) -> Self {
        // v4-mapped addresses are printed as IPv4 (contract.md).
        self.is(
            &format!("{which}.addr"),
            addr.ip().to_canonical().to_string(),
        )
        .is(&format!("{which}.port"), addr.port())
    }

    pub(crate) fn local(self, addr: SocketAddr) -> Self {
        let family = if addr.is_ipv4() { "inet" } else { "inet6" };
        self.end("local", addr).is("family", family)
    }

    pub(crate) fn remote(self, addr: SocketAddr) -> Self {
        self.end("remote", addr)
    }

    /// The socket itself: cookie and both ends as its owner sees them.
    pub(crate) fn conn(self, conn: Conn) -> Self {
        let remote = conn.remote.expect("a connection has a remote end");
        self.cookie(conn.cookie).local(conn.local).remote(remote)
    }

    /// A socket's cookie. A kernel that lets no program make one (5.10) reports those that were asked
    /// for already.
    pub(crate) fn cookie(self, cookie: u64) -> Self {
        if kernel_names("bpf_get_socket_ptr_cookie") {
            return self.is("cookie", cookie);
        }
        self.with(
            "cookie",
            Check::OneOf(vec![Value::Null, Value::from(cookie)]),
        )
    }

    /// The listener itself, with a client at the other end.
    pub(crate) fn listener(self, listener: Conn, client: SocketAddr) -> Self {
        self.cookie(listener.cookie)
            .local(listener.local)
            .remote(client)
    }

    /// The three byte counts of a reset, as the owner measured them just before.
    pub(crate) fn bytes(self, closed: Closed) -> Self {
        self.is("unsent_bytes", closed.unsent)
            .is("unacked_bytes", closed.unacked)
            .is("unread_bytes", closed.unread)
    }

    pub(crate) fn queue(self, length: u32, limit: u32) -> Self {
        self.is("queue.length", length).is("queue.limit", limit)
    }

    /// One line for each field that is not as expected; empty when the event matches.
    pub(crate) fn mismatches(&self, event: &Value) -> Vec<String> {
        let wrong = self
            .checks
            .iter()
            .filter(|(path, check)| !check.holds(field(event, path)));
        wrong
            .map(|(path, check)| {
                format!(
                    "{path}: expected {}, got {}",
                    check.text(),
                    field(event, path)
                )
            })
            .collect()
    }

    pub(crate) fn matches(&self, event: &Value) -> bool {
        field(event, "kind") == self.kind.as_str() && self.mismatches(event).is_empty()
    }

    /// The mismatches of the event that comes closest, `None` when no event is of this kind.
    pub(crate) fn closest(&self, events: &[Value]) -> Option<Vec<String>> {
        let same_kind = events
            .iter()
            .filter(|event| field(event, "kind") == self.kind.as_str());
        same_kind
            .map(|event| self.mismatches(event))
            .min_by_key(Vec::len)
    }
}
