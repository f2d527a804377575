//! The filters every live command takes.

use clap::Args;

use super::values;
use crate::interpret::cidr::Cidr;
use crate::session::plan::NetnsSpec;

const HEADING: &str = "Filters (different ones combine with AND, repeats and commas with OR)";

/// Filters as written.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = HEADING)]
pub struct FilterArgs {
    /// Sockets owned by this process. The owner is who opened, accepted or listens, never whoever
    /// was on the CPU. A number of your own PID namespace.
    #[arg(long, value_name = "PID", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..))]
    pub pid: Vec<u32>,
    /// With --pid: its descendants too
    #[arg(long, requires = "pid")]
    pub children: bool,
    /// Sockets owned by processes of this name (of the main thread, up to 15 bytes)
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = values::comm)]
    pub comm: Vec<String>,
    /// This port at either end
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Vec<u16>,
    /// This local port
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..))]
    pub lport: Vec<u16>,
    /// This remote port
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..))]
    pub rport: Vec<u16>,
    /// An address or network at either end, such as 10.0.0.0/8. IPv4 matches v4-mapped IPv6 too.
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    pub addr: Vec<Cidr>,
    /// A local address or network
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    pub laddr: Vec<Cidr>,
    /// A remote address or network
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    pub raddr: Vec<Cidr>,
    /// IPv4 addresses only; v4-mapped connections of an IPv6 socket are IPv4
    #[arg(short = '4', long = "ipv4", conflicts_with = "ipv6")]
    pub ipv4: bool,
    /// IPv6 addresses only, without v4-mapped ones
    #[arg(short = '6', long = "ipv6")]
    pub ipv6: bool,
    /// The network namespace of a process, one of `ip netns`, or by inode number (inode:4026531840)
    #[arg(long, value_name = "PID|NAME|inode:N", value_delimiter = ',')]
    pub netns: Vec<NetnsSpec>,
    /// Sockets owned by processes in or below this cgroup, with or without /sys/fs/cgroup in front
    #[arg(long, value_name = "PATH", value_delimiter = ',')]
    pub cgroup: Vec<String>,
}
