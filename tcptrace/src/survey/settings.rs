//! The settings of a namespace that decide over queues, orphans and TIME_WAIT.

use crate::kernel::sysctl::Sysctls;
use crate::model::snapshot::Settings;

/// Those of the sysctls that a snapshot and the facts of a run have.
pub fn settings(sysctls: &Sysctls) -> Settings {
    Settings {
        somaxconn: sysctls.somaxconn,
        tcp_max_syn_backlog: sysctls.tcp_max_syn_backlog,
        tcp_abort_on_overflow: sysctls.tcp_abort_on_overflow,
        tcp_syncookies: sysctls.tcp_syncookies,
        tcp_tw_reuse: sysctls.tcp_tw_reuse,
        tcp_tw_reuse_delay_ms: sysctls.tcp_tw_reuse_delay,
        tcp_tw_recycle: sysctls.tcp_tw_recycle,
        tcp_max_tw_buckets: sysctls.tcp_max_tw_buckets,
        tcp_timestamps: sysctls.tcp_timestamps,
        tcp_fin_timeout_secs: sysctls.tcp_fin_timeout,
        tcp_max_orphans: sysctls.tcp_max_orphans,
        ip_local_port_range: sysctls.ip_local_port_range,
        tcp_syn_retries: sysctls.tcp_syn_retries,
        tcp_syn_linear_timeouts: sysctls.tcp_syn_linear_timeouts,
        tcp_rto_max_ms: sysctls.tcp_rto_max_ms,
    }
}
