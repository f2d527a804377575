//! What the kernel says on its console, judged: lines that mean it is broken, and lines worth reporting. Pure.

/// Lines that end a run as failed.
const FATAL: [&str; 5] = [
    "Kernel panic",
    "BUG:",
    "Oops:",
    "soft lockup",
    "general protection fault",
];
const WARNINGS: [&str; 3] = [
    "WARNING:",
    "rcu_sched self-detected",
    "rcu_preempt self-detected",
];

/// What was seen so far.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Watch {
    partial: String,
    /// The first line of each kind that is fatal.
    pub(super) fatal: Vec<String>,
    pub(super) warnings: Vec<String>,
}

impl Watch {
    /// Takes what the console wrote since the last time, cut anywhere.
    pub(super) fn feed(&mut self, text: &str) {
        self.partial.push_str(text);
        while let Some((line, rest)) = self.partial.split_once('\n') {
            let line = line.trim_end().to_owned();
            self.partial = rest.to_owned();
            self.line(line);
        }
    }

    /// The console is at its end.
    pub(super) fn close(&mut self) {
        let line = std::mem::take(&mut self.partial);
        self.line(line.trim_end().to_owned());
    }

    /// True after the kernel gave up.
    pub(super) fn panicked(&self) -> bool {
        self.fatal.iter().any(|line| line.contains("Kernel panic"))
    }

    fn line(&mut self, line: String) {
        if FATAL.iter().any(|mark| line.contains(mark)) {
            self.fatal.push(line);
        } else if WARNINGS.iter().any(|mark| line.contains(mark)) {
            self.warnings.push(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(pieces: &[&str]) -> Watch {
        let mut watch = Watch::default();
        pieces.iter().for_each(|piece| watch.feed(piece));
        watch.close();
        watch
    }

    #[test]
    fn a_panic_is_seen_even_when_the_output_is_cut_in_it() {
        let watch = seen(&["[ 1.0] Kernel pa", "nic - not syncing: x\r\nmore"]);
        assert!(watch.panicked());
        assert_eq!(watch.fatal, ["[ 1.0] Kernel panic - not syncing: x"]);
    }

    #[test]
    fn a_bug_and_an_oops_are_fatal_and_no_panic() {
        let watch = seen(&["BUG: kernel NULL pointer dereference\nOops: 0000 [#1] SMP\n"]);
        assert_eq!(watch.fatal.len(), 2);
        assert!(!watch.panicked());
        assert!(
            seen(&["watchdog: BUG: soft lockup - CPU#0 stuck\n"])
                .fatal
                .len()
                == 1
        );
    }

    #[test]
    fn a_warning_is_reported_and_not_fatal() {
        let watch = seen(&["WARNING: CPU: 0 PID: 1 at net/x.c:1\n", "all is well\n"]);
        assert!(watch.fatal.is_empty());
        assert_eq!(watch.warnings.len(), 1);
    }

    #[test]
    fn a_last_line_without_an_end_counts() {
        assert!(seen(&["Kernel panic"]).panicked());
        assert_eq!(seen(&["fine"]), Watch::default());
    }
}
