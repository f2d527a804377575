//! The kinds of hook.

use super::named;

named! {
    /// Kind of hook.
    Tier {
        /// Entry and exit of kernel functions, through BTF.
        Fentry = "fentry",
        /// Entry and exit of kernel functions, through breakpoints.
        Kprobe = "kprobe",
        /// Places the kernel offers for tracing.
        Tracepoint = "tracepoint",
        /// The kernel's counters.
        Counting = "counting",
    }
}

impl Tier {
    /// Those that a user can insist on.
    pub const CHOICES: [Self; 3] = [Self::Fentry, Self::Kprobe, Self::Tracepoint];

    /// Whether its hooks may be tried when the user insists on a tier. What has no function hook is
    /// observed at tracepoints then too, but never through the other kind of function hook.
    pub fn is_allowed_by(self, forced: Option<Self>) -> bool {
        match self {
            Self::Tracepoint | Self::Counting => true,
            Self::Fentry | Self::Kprobe => forced.is_none_or(|forced| forced == self),
        }
    }
}
