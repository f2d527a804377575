//! Rows of the snapshot commands as objects: first the rows, then one `snapshot` object that ends
//! each snapshot and bears what holds for all of it.

use super::fields::Object;
use super::{JsonSink, put};
use crate::model::flow::TcpState;
use crate::model::incident::{LimitedBy, Queue};
use crate::model::rows::{Anomaly, ListenerRow, Page, SpaceRow, StateRow, TimeWaitRow};
use crate::model::snapshot::{Settings, SpaceCounters, Waits};
use std::io::{self, Write};

impl<W: Write> JsonSink<W> {
    /// The rows of `listeners`.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn listeners(&mut self, page: &Page<ListenerRow>) -> io::Result<()> {
        for row in &page.rows {
            let mut object = self.begin("listener", page.boot_ns);
            object.listener(row);
            self.end()?;
        }
        self.snapshot(page, "listeners")
    }

    /// The rows of `states`.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn states(&mut self, page: &Page<StateRow>) -> io::Result<()> {
        for row in &page.rows {
            let mut object = self.begin("sockets", page.boot_ns);
            object.sockets(row);
            self.end()?;
        }
        self.snapshot(page, "states")
    }

    /// The rows of `timewait`.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn timewait(&mut self, page: &Page<TimeWaitRow>) -> io::Result<()> {
        for row in &page.rows {
            let mut object = self.begin("time_wait_sockets", page.boot_ns);
            object.time_wait_sockets(row);
            self.end()?;
        }
        self.snapshot(page, "timewait")
    }

    fn snapshot<R>(&mut self, page: &Page<R>, of: &'static str) -> io::Result<()> {
        let mut object = self.begin("snapshot", page.boot_ns);
        object.name(",\"of\":", Some(of));
        object.number(",\"rows\":", Some(page.rows.len() as u64));
        object.number(",\"watched_ms\":", page.watched_ms);
        object.raw(",\"namespaces\":[");
        for (at, space) in page.spaces.iter().enumerate() {
            object.raw(if at == 0 { "" } else { "," });
            object.space(space);
        }
        object.raw("],\"unseen\":[");
        for (at, sentence) in page.unseen.iter().enumerate() {
            object.string(if at == 0 { "" } else { "," }, Some(sentence));
        }
        object.raw("]");
        object.reconciliation(&page.reconciliation);
        self.end()
    }
}

impl Object<'_> {
    fn queue_at(&mut self, key: &str, queue: Queue) {
        self.raw(key);
        self.number("{\"length\":", Some(queue.length));
        self.number(",\"limit\":", Some(queue.limit));
        self.raw("}");
    }

    fn flag(&mut self, key: &str, value: Option<bool>) {
        self.raw(key);
        self.raw(match value {
            Some(true) => "true",
            Some(false) => "false",
            None => "null",
        });
    }

    /// Two digits behind the point.
    fn decimal(&mut self, key: &str, value: Option<f64>) {
        self.raw(key);
        match value.filter(|value| value.is_finite()) {
            Some(value) => self.raw(&format!("{value:.2}")),
            None => self.raw("null"),
        }
    }

    fn listener(&mut self, row: &ListenerRow) {
        self.number(",\"netns\":", Some(row.netns));
        self.number(",\"cookie\":", Some(row.cookie));
        self.name(",\"family\":", Some(row.family.name()));
        self.endpoint(",\"local\":", Some(row.local));
        self.flag(",\"v6only\":", row.v6only);
        self.owner(",\"owner\":", row.owner.as_ref());
        self.raw(",\"pids\":[");
        for (at, pid) in row.pids.iter().enumerate() {
            self.number(if at == 0 { "" } else { "," }, Some(*pid));
        }
        self.raw("]");
        self.queue_at(",\"accept_queue\":", row.accept_queue);
        self.flag(",\"full\":", Some(row.is_full()));
        self.name(",\"limited_by\":", row.limited_by.map(LimitedBy::name));
        self.number(",\"backlog\":", row.backlog);
        self.flag(",\"backlog_seen\":", Some(row.backlog_is_seen));
        self.queue_at(",\"syn_queue\":", row.syn_queue);
        self.number(",\"drops\":", row.drops);
        self.number(",\"drops_since_watch\":", row.drops_risen);
        self.decimal(",\"drops_per_second\":", row.drops_per_second);
        match row.refusals {
            Some(seen) => {
                self.number(",\"refusals\":{\"accept_syn\":", Some(seen.accept_syn));
                self.number(",\"accept_ack\":", Some(seen.accept_ack));
                self.number(",\"accept_counted\":", Some(seen.accept_counted));
                self.number(",\"syn_queue\":", Some(seen.syn_queue));
                self.number(",\"cookies\":", Some(seen.cookies));
                self.raw("}");
            }
            None => self.raw(",\"refusals\":null"),
        }
        self.accepts(row);
        match row.group {
            Some(group) => {
                self.number(",\"group\":{\"size\":", Some(group.size));
                self.number(",\"length\":", Some(group.length));
                self.decimal(",\"skew\":", group.skew);
                self.raw("}");
            }
            None => self.raw(",\"group\":null"),
        }
    }

    fn accepts(&mut self, row: &ListenerRow) {
        let Some(accepts) = row.accepts else {
            self.raw(",\"accepts\":null");
            return;
        };
        let wait = |of: fn(&Waits) -> u64| accepts.waits.as_ref().map(of);
        self.number(",\"accepts\":{\"measured\":", Some(accepts.measured));
        self.number(",\"older\":", Some(accepts.older));
        self.number(",\"wait_us_p50\":", wait(|waits| waits.p50_us));
        self.number(",\"wait_us_p99\":", wait(|waits| waits.p99_us));
        self.number(",\"wait_us_max\":", wait(|waits| waits.max_us));
        self.number(",\"last_ms\":", row.last_accept_ms);
        self.raw("}");
    }

    fn sockets(&mut self, row: &StateRow) {
        self.number(",\"netns\":", Some(row.netns));
        self.name(",\"state\":", Some(TcpState::name(row.state)));
        self.name(",\"held_by\":", Some(row.held.name()));
        self.owner(",\"owner\":", row.owner.as_ref());
        self.number(",\"count\":", Some(row.count));
        self.number(",\"unread_bytes\":", Some(row.unread_bytes));
        self.number(",\"unacked_bytes\":", Some(row.unacked_bytes));
        self.number(",\"resends_max\":", Some(row.resends_max));
        self.number(",\"silent_ms_max\":", row.silent_ms_max);
        self.raw(",\"top_remote\":");
        match row.top_remote {
            Some((addr, port, count)) => {
                self.raw("{\"addr\":\"");
                put::address(self.out, addr);
                self.number("\",\"port\":", port);
                self.number(",\"count\":", Some(count));
                self.raw("}");
            }
            None => self.raw("null"),
        }
        self.name(",\"anomaly\":", row.anomaly.map(Anomaly::name));
    }

    fn time_wait_sockets(&mut self, row: &TimeWaitRow) {
        self.number(",\"netns\":", Some(row.netns));
        self.owner(",\"owner\":", row.owner.as_ref());
        self.name(",\"left_by\":", Some(row.left_by.name()));
        self.number(",\"service\":", row.service);
        self.raw(",\"remote\":{\"addr\":\"");
        put::address(self.out, row.remote);
        self.number("\",\"port\":", row.remote_port);
        self.raw("}");
        self.number(",\"time_wait\":", Some(row.time_wait));
        self.number(",\"fin_wait2\":", Some(row.fin_wait2));
        self.number(",\"expiring_10s\":", Some(row.expiring));
        self.number(",\"left_ms_min\":", row.left_ms.map(|(least, _)| least));
        self.number(",\"left_ms_max\":", row.left_ms.map(|(_, most)| most));
        match row.pressure {
            Some(pressure) => {
                self.number(",\"ports\":{\"used\":", Some(pressure.used));
                self.number(",\"range\":", Some(pressure.range));
                self.raw("}");
            }
            None => self.raw(",\"ports\":null"),
        }
    }

    fn space(&mut self, space: &SpaceRow) {
        self.number("{\"netns\":", Some(space.netns));
        self.flag(",\"own\":", Some(space.is_own));
        self.settings(&space.settings);
        self.counters(",\"counters\":", Some(&space.counters));
        self.counters(",\"since_watch\":", space.risen.as_ref());
        self.raw("}");
    }

    fn settings(&mut self, settings: &Settings) {
        self.number(",\"settings\":{\"somaxconn\":", settings.somaxconn);
        self.number(",\"tcp_max_syn_backlog\":", settings.tcp_max_syn_backlog);
        self.number(
            ",\"tcp_abort_on_overflow\":",
            settings.tcp_abort_on_overflow,
        );
        self.number(",\"tcp_syncookies\":", settings.tcp_syncookies);
        self.number(",\"tcp_tw_reuse\":", settings.tcp_tw_reuse);
        self.number(
            ",\"tcp_tw_reuse_delay_ms\":",
            settings.tcp_tw_reuse_delay_ms,
        );
        self.number(",\"tcp_tw_recycle\":", settings.tcp_tw_recycle);
        self.number(",\"tcp_max_tw_buckets\":", settings.tcp_max_tw_buckets);
        self.number(",\"tcp_timestamps\":", settings.tcp_timestamps);
        self.number(
            ",\"tcp_fin_timeout_seconds\":",
            settings.tcp_fin_timeout_secs,
        );
        self.number(",\"tcp_max_orphans\":", settings.tcp_max_orphans);
        let range = settings.ip_local_port_range;
        self.number(",\"local_port_first\":", range.map(|(first, _)| first));
        self.number(",\"local_port_last\":", range.map(|(_, last)| last));
        self.raw("}");
    }

    fn counters(&mut self, key: &str, counters: Option<&SpaceCounters>) {
        self.raw(key);
        let Some(counters) = counters else {
            self.raw("null");
            return;
        };
        self.number("{\"accept_overflows\":", counters.accept_overflows);
        self.number(",\"syn_queue_drops\":", counters.syn_queue_drops);
        self.number(",\"syn_queue_cookies\":", counters.syn_queue_cookies);
        self.number(",\"time_wait_overflows\":", counters.time_wait_overflows);
        self.number(",\"time_wait_reuses\":", counters.time_wait_reuses);
        self.number(",\"time_wait_entries\":", counters.time_wait_entries);
        self.number(",\"orphans\":", counters.orphans);
        self.raw("}");
    }
}
