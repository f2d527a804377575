//! The table of `timewait`.

use super::{
    Align, By, Column, TableStyle, Tabled, column, duration_text, finish, grid, or_unknown,
};
use super::{
    PID_COLUMN, PROCESS_COLUMN, PROCESS_WIDTH, owner_cells, reconciled, space_note, unseen, words,
};
use crate::model::rows::{LeftBy, Page, PortUse, SpaceRow, TimeWaitRow};
use crate::sink::color::Impact;

/// Percent of the port range from which connect() begins to search, and fail.
const PRESSING: u32 = 50;

/// A setting: name, value, effect.
type Setting = (&'static str, String, String);

impl Tabled for TimeWaitRow {
    const COLUMNS: &'static [Column] = &[
        column(
            "count",
            "COUNT",
            Align::Right,
            10,
            By::Sum(&["time_wait", "fin_wait2"]),
        ),
        PID_COLUMN,
        PROCESS_COLUMN,
        column(
            "service",
            "SERVICE",
            Align::Right,
            7,
            By::First(&["service"]),
        ),
        column("remote", "REMOTE", Align::Left, 21, By::First(&["remote"])),
        column("left", "LEFT", Align::Left, 10, By::First(&["left_ms_max"])),
        column(
            "expiring_10s",
            "SOON",
            Align::Right,
            7,
            By::First(&["expiring_10s"]),
        ),
        column("notes", "NOTES", Align::Left, usize::MAX, By::Nothing),
    ];

    fn line(&self, page: &Page<Self>, style: &TableStyle) -> (Option<Impact>, Vec<String>) {
        let (pid, mut process) = owner_cells(self.owner.as_ref(), PROCESS_WIDTH - 1, style);
        if self.left_by == LeftBy::Inferred {
            process.insert(0, '~');
        }
        let remote = match self.remote.port {
            Some(port) => crate::model::Endpoint {
                addr: self.remote.addr,
                port,
            }
            .to_string(),
            None => format!("{}:*", bracketed(self)),
        };
        let left = self.left_ms_min.zip(self.left_ms_max).map(|(least, most)| {
            format!(
                "{}-{}",
                u64::from(least) / 1000,
                seconds_up(u64::from(most))
            )
        });
        let impact = self
            .pressure
            .filter(|pressure| pressure.percent() >= PRESSING)
            .map(|_| Impact::Degraded);
        let cells = vec![
            (self.time_wait + self.fin_wait2).to_string(),
            pid,
            process,
            self.service
                .map_or_else(|| "-".to_owned(), |port| port.to_string()),
            remote,
            left.unwrap_or_else(|| "-".to_owned()),
            self.expiring.to_string(),
            notes(self, page),
        ];
        (impact, cells)
    }
}

/// Appends the table, and what holds for all of it; `settings` of each namespace, in order.
pub fn timewait(
    out: &mut Vec<u8>,
    page: &Page<TimeWaitRow>,
    settings: &[Vec<Setting>],
    style: &TableStyle,
) {
    grid(page, style).render(out, style);
    if page.rows.is_empty() {
        finish(out, "  no TIME_WAIT socket matches", None, style);
    }
    for (space, settings) in page.spaces.iter().zip(settings) {
        if page.rows.iter().any(|row| row.netns == space.netns) || space.is_own {
            self::space(out, space, settings, style);
        }
        for ports in &space.ports {
            pressed(out, space, ports, style);
        }
    }
    if page.rows.iter().any(|row| row.time_wait > 0) {
        let why = "the end that closes first holds the TIME_WAIT socket, and this host closed these first; \
                   to move them to the other end, let the peer close first";
        words(out, why, None, style);
    }
    if page.rows.iter().any(|row| row.left_by != LeftBy::Learnt) {
        let why = "the kernel does not record which process left a TIME_WAIT socket: ~ marks the process \
                   that listens on its local port, ? is unknown; --watch records owners from now on";
        words(out, why, None, style);
    }
    reconciled(out, &page.reconciliation, style);
    unseen(out, &page.unseen, style);
}

fn bracketed(row: &TimeWaitRow) -> String {
    if row.remote.addr.is_ipv6() {
        format!("[{}]", row.remote.addr)
    } else {
        row.remote.addr.to_string()
    }
}

fn seconds_up(ms: u64) -> String {
    format!("{}s", ms.div_ceil(1000))
}

fn notes(row: &TimeWaitRow, page: &Page<TimeWaitRow>) -> String {
    let mut notes = Vec::new();
    if row.fin_wait2 > 0 {
        notes.push(format!("FIN_WAIT2 {}", row.fin_wait2));
    }
    if let Some(pressure) = row.pressure {
        notes.push(format!(
            "ports {}/{} {}%",
            pressure.used,
            pressure.range,
            pressure.percent()
        ));
    }
    notes.extend(space_note(row.netns, &page.spaces));
    notes.join(" ")
}

/// Ports of one local address over all destinations, when half of them are in use.
fn pressed(out: &mut Vec<u8>, space: &SpaceRow, ports: &PortUse, style: &TableStyle) {
    let holders: Vec<String> = ports
        .holders
        .iter()
        .map(|(owner, count)| {
            format!(
                "{} {} {count}",
                owner.process.pid,
                owner.process.display_name()
            )
        })
        .collect();
    let holders = if holders.is_empty() {
        String::new()
    } else {
        format!("; most are held by {}", holders.join(", "))
    };
    let line = format!(
        "  ports of {} in netns {}: {} of {} are in use over all destinations, {} by live \
         connections and {} in TIME_WAIT{holders}",
        ports.local,
        space.netns,
        ports.used(),
        ports.range,
        ports.live,
        ports.time_wait
    );
    let is_full = ports.used() >= ports.range;
    let impact = if is_full {
        Impact::Bad
    } else {
        Impact::Degraded
    };
    words(out, &line, Some(impact), style);
}

fn space(out: &mut Vec<u8>, space: &SpaceRow, settings: &[Setting], style: &TableStyle) {
    let buckets = format!(
        "netns {}{}: {} of {} buckets; overflows {}, reuses {} {}",
        space.netns,
        if space.is_own { " (own)" } else { "" },
        or_unknown(space.counters.time_wait_entries),
        or_unknown(space.settings.tcp_max_tw_buckets),
        or_unknown(space.counters.time_wait_overflows),
        or_unknown(space.counters.time_wait_reuses),
        match space.risen {
            Some(risen) => format!(
                "since it began, +{} and +{} since watching",
                or_unknown(risen.time_wait_overflows),
                or_unknown(risen.time_wait_reuses)
            ),
            None => "since it began".to_owned(),
        }
    );
    words(out, &buckets, None, style);
    for (name, value, effect) in settings {
        words(out, &format!("  {name}={value}: {effect}"), None, style);
    }
    if let Some(secs) = space.settings.tcp_fin_timeout_secs {
        let line = format!(
            "  FIN_WAIT2: closed on this host, not yet by the peer; given up after tcp_fin_timeout={}",
            duration_text(u64::from(secs) * 1000)
        );
        words(out, &line, None, style);
    }
}
