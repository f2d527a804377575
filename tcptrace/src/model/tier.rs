//! The kinds of hook one can insist on.

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
    }
}
