//! placeholder
pub struct Sysctls {
    pub somaxconn: Option<u64>,
}
impl Sysctls {
    pub fn read() -> Self {
        Self {
            somaxconn: std::fs::read_to_string("/proc/sys/net/core/somaxconn")
                .ok()
                .and_then(|t| t.trim().parse().ok()),
        }
    }
}
