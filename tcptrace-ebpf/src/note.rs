//! Why something is not reported, for whoever changes these programs: `TCPTRACE_LOG=ebpf=debug` prints
//! the notes of a program that was built with the feature `trace-ebpf`. Without the feature there is
//! nothing of this in the object.

/// For [`plain`].
#[cfg(feature = "trace-ebpf")]
#[aya_ebpf::macros::map]
static ADDRESS: crate::memory::Memory<core::cell::Cell<u64>> = crate::memory::Memory::new();

/// The address as a plain number.
#[cfg(feature = "trace-ebpf")]
#[inline(always)]
pub(crate) fn plain(address: u64) -> u64 {
    ADDRESS
        .get()
        .map_or(0, |cell| crate::memory::as_number(cell, address))
}

/// Notes why something is not reported: about the common part of a record, or about a socket by its
/// address. `more` is a number that says more, as the text explains.
#[cfg(feature = "trace-ebpf")]
macro_rules! note {
    ($why:literal, head: $head:expr, $more:expr) => {
        $crate::note::note!(@ $why, $head.flow.netns, $head.sock, u64::from($more))
    };
    ($why:literal, sock: $sock:expr, $more:expr) => {{
        let sk = $crate::sock::SockRef::<$crate::sock::Probe>::remembered($sock);
        $crate::note::note!(@ $why, sk.netns(), $sock, u64::from($more))
    }};
    (@ $why:literal, $netns:expr, $sock:expr, $more:expr) => {{
        // A function of its own: its stack is not its caller's.
        #[inline(never)]
        fn write(netns: u32, sock: u64, more: u64) {
            let sock = $crate::note::plain(sock);
            aya_log_ebpf::debug!(
                (), target: "ebpf", "netns {} sock {:x}: {} ({})", netns, sock, $why, more
            );
        }
        write($netns, $sock, $more);
    }};
}

#[cfg(not(feature = "trace-ebpf"))]
macro_rules! note {
    ($why:literal, $about:ident: $subject:expr, $more:expr) => {{
        let _ = (&$subject, &$more);
    }};
}

pub(crate) use note;
