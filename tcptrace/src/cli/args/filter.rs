//! The filters every live command takes.

use clap::Args;

use crate::cli::values;
use crate::interpret::cidr::Cidr;
use crate::session::plan::NetnsSpec;

const HEADING: &str =
    "Filters (different filters combine with AND; repeated and comma-separated values with OR)";

/// Filters as written.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = HEADING)]
pub struct FilterArgs {
    /// Sockets that this process owns, because it opened or accepted them or listens. The PID is
    /// one of your own PID namespace.
    #[arg(long, value_name = "PID", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..))]
    pub pid: Vec<u32>,
    /// With --pid: include its descendants
    #[arg(long, requires = "pid")]
    pub children: bool,
    /// Sockets owned by processes of this name (the kernel keeps 15 bytes of the main thread's
    /// name)
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = values::comm)]
    pub comm: Vec<String>,
    /// Port at either end
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Vec<u16>,
    /// Local port
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..))]
    pub lport: Vec<u16>,
    /// Remote port
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..))]
    pub rport: Vec<u16>,
    /// Address or network at either end, such as 10.0.0.0/8; IPv4 also matches v4-mapped IPv6.
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    pub addr: Vec<Cidr>,
    /// Local address or network
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    pub laddr: Vec<Cidr>,
    /// Remote address or network
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    pub raddr: Vec<Cidr>,
    /// IPv4 addresses only; v4-mapped connections of an IPv6 socket count as IPv4
    #[arg(short = '4', long = "ipv4", conflicts_with = "ipv6")]
    pub ipv4: bool,
    /// IPv6 addresses only, excluding v4-mapped ones
    #[arg(short = '6', long = "ipv6")]
    pub ipv6: bool,
    /// Network namespace: that of a process, a name from `ip netns`, or an inode number
    /// (inode:4026531840)
    #[arg(long, value_name = "PID|NAME|inode:N", value_delimiter = ',')]
    pub netns: Vec<NetnsSpec>,
    /// Sockets owned by processes in or below this cgroup, with or without the prefix
    /// /sys/fs/cgroup
    #[arg(long, value_name = "PATH", value_delimiter = ',')]
    pub cgroup: Vec<String>,
    /// Sockets owned by processes of this systemd unit, with or without `.service`
    #[arg(long, value_name = "UNIT", value_delimiter = ',')]
    pub unit: Vec<String>,
    /// Sockets owned by processes in this container: its id, 12 or more digits of it, or its name where
    /// the cgroup's path has it (LXC, systemd-nspawn)
    #[arg(long, value_name = "ID|NAME", value_delimiter = ',')]
    pub container: Vec<String>,
}
