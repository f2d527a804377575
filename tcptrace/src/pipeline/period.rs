//! A part of a recording, by the time of day: what lies outside of it is neither shown nor in the books,
//! and what is left out and was lost there is reported apart.

use super::delivery::Delivery;
use crate::model::Incident;
use crate::sink::Sink;

/// Events of several CPUs come a little out of order: so long after the end, nothing of before it follows.
const DISORDER_NS: i64 = 1_000_000_000;

/// From when until when, ns of the wall clock; `None`: no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Period {
    /// The first moment.
    pub since_ns: Option<i64>,
    /// The last one.
    pub until_ns: Option<i64>,
}

impl Period {
    /// Whether it is the whole recording.
    pub const fn is_all(&self) -> bool {
        self.since_ns.is_none() && self.until_ns.is_none()
    }

    fn place(&self, wall_ns: i64) -> Place {
        if self.since_ns.is_some_and(|since| wall_ns < since) {
            Place::Before
        } else if self.until_ns.is_some_and(|until| wall_ns > until) {
            Place::After
        } else {
            Place::Within
        }
    }
}

/// Where a moment lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Before,
    Within,
    After,
}

/// What becomes of a recording of which a period is shown.
#[derive(Debug)]
pub(super) struct Part {
    period: Period,
    boot_to_wall_ns: i64,
    shown: u64,
    before: u64,
    after: u64,
    lost_before: u64,
    lost_after: u64,
    /// Of a gap before the period, until it is known whether the period begins within it.
    unplaced: u64,
    has_gap: bool,
    /// A gap reaches into the period.
    has_missed: bool,
    /// Nothing that is shown can follow.
    pub(super) is_past: bool,
    last: Place,
}

impl Part {
    pub(super) fn new(period: Period, boot_to_wall_ns: i64) -> Self {
        Self {
            last: match period.since_ns {
                Some(_) => Place::Before,
                None => Place::Within,
            },
            period,
            boot_to_wall_ns,
            shown: 0,
            before: 0,
            after: 0,
            lost_before: 0,
            lost_after: 0,
            unplaced: 0,
            has_gap: false,
            has_missed: false,
            is_past: false,
        }
    }

    pub(super) const fn is_all(&self) -> bool {
        self.period.is_all()
    }

    /// The wall clock was set.
    pub(super) const fn set_clock(&mut self, boot_to_wall_ns: i64) {
        self.boot_to_wall_ns = boot_to_wall_ns;
    }

    fn boot_ns(&self, wall_ns: i64) -> u64 {
        u64::try_from(wall_ns.saturating_sub(self.boot_to_wall_ns)).unwrap_or(0)
    }

    /// Where what is shown begins, of a recording that begins there.
    pub(super) fn begin_ns(&self, start_ns: u64) -> u64 {
        let since = self.period.since_ns.map(|since| self.boot_ns(since));
        since.map_or(start_ns, |since| since.max(start_ns))
    }

    /// Where it ends, of a recording that ends there.
    pub(super) fn end_ns(&self, end_ns: u64) -> u64 {
        let until = self.period.until_ns.map(|until| self.boot_ns(until));
        until.map_or(end_ns, |until| until.min(end_ns))
    }

    fn place(&self, boot_ns: u64) -> Place {
        let wall_ns = self.boot_to_wall_ns.saturating_add_unsigned(boot_ns);
        self.period.place(wall_ns)
    }

    /// The recording is at this moment.
    pub(super) fn reach<S: Sink>(&mut self, boot_ns: u64, delivery: &mut Delivery<S>) -> Place {
        if self.is_all() {
            return Place::Within;
        }
        let place = self.place(boot_ns);
        self.last = place;
        if place == Place::Before {
            self.lost_before += std::mem::take(&mut self.unplaced);
            self.has_gap = false;
        } else if std::mem::take(&mut self.has_gap) {
            self.has_missed = true;
            delivery.unrecorded(std::mem::take(&mut self.unplaced), boot_ns);
        }
        let wall_ns = self.boot_to_wall_ns.saturating_add_unsigned(boot_ns);
        let until = self.period.until_ns;
        self.is_past |= until.is_some_and(|until| wall_ns.saturating_sub(DISORDER_NS) > until);
        place
    }

    /// Where the recording is.
    pub(super) const fn here(&self) -> Place {
        self.last
    }

    /// Shows an incident, or leaves it out.
    pub(super) fn take<S: Sink>(&mut self, incident: &Incident, delivery: &mut Delivery<S>) {
        match self.place(incident.boot_ns) {
            Place::Within => {
                self.shown += 1;
                delivery.take(incident);
            }
            Place::Before => self.before += 1,
            Place::After => self.after += 1,
        }
    }

    /// So many were lost at a moment that is not within the period.
    pub(super) const fn lost(&mut self, place: Place, count: u64) {
        match place {
            Place::Before => self.lost_before += count,
            Place::Within => {}
            Place::After => self.lost_after += count,
        }
    }

    /// Something is missing here. Whether that is not within the period, as far as is known.
    pub(super) const fn takes_gap(&mut self, events: u64) -> bool {
        match self.last {
            Place::Within => false,
            Place::After => {
                self.lost_after += events;
                true
            }
            Place::Before => {
                self.has_gap = true;
                self.unplaced += events;
                true
            }
        }
    }

    /// Nothing was left unread, in whatever order it came.
    pub(super) const fn read_to_the_end(&mut self) {
        self.is_past = false;
    }

    /// Says what lies outside. Whether something is missing within: events missing after the last one that is
    /// there may have been.
    pub(super) fn finish<S: Sink>(&mut self, last_ns: u64, delivery: &mut Delivery<S>) -> bool {
        if self.is_all() {
            return false;
        }
        if std::mem::take(&mut self.has_gap) {
            self.has_missed = true;
            delivery.unrecorded(std::mem::take(&mut self.unplaced), last_ns);
        }
        if self.shown == 0 {
            delivery.notice("the recording has no incident in the time that was asked for");
        }
        let count = |count: u64, noun: &str| {
            let end = if count == 1 { "" } else { "s" };
            format!("{count} {noun}{end}")
        };
        let mut parts = Vec::new();
        for (incidents, lost, place) in [
            (self.before, self.lost_before, "before"),
            (self.after, self.lost_after, "after"),
        ] {
            if incidents > 0 {
                parts.push(format!("{} {place} it", count(incidents, "incident")));
            }
            if lost > 0 {
                parts.push(format!("{} {place} it", count(lost, "lost event")));
            }
        }
        if self.is_past {
            parts.push("the rest of the recording after it, which was not read".to_owned());
        }
        if !parts.is_empty() {
            let text = format!(
                "only a part of the recording is counted here; left out: {}",
                parts.join(", ")
            );
            delivery.notice(&text);
        }
        self.has_missed
    }
}
