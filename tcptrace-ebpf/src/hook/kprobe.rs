//! Entry and exit of kernel functions, through breakpoints. The same signals as `fentry.rs`; what
//! a function was called with is kept from its entry, since its exit shows only the result. A function that blocks has no exit here: the kernel keeps
//! room for a few calls at a time, and misses the returns of the others.

#![allow(
    clippy::needless_pass_by_value,
    reason = "the macro hands over the context by value"
)]

use aya_ebpf::macros::{kprobe, kretprobe};
use aya_ebpf::programs::{ProbeContext, RetProbeContext};
use tcptrace_common::kind::hook;

use crate::signal::{accept, answer, handshake, listen, minisock, paws};

/// Added to a hook's number.
const TIER: u8 = hook::BY_BREAKPOINT;

#[inline(always)]
fn argument(ctx: &ProbeContext, place: usize) -> u64 {
    ctx.arg(place).unwrap_or(0)
}

/// `tcp_conn_request(struct request_sock_ops *, const struct tcp_request_sock_ops *, struct sock *, struct sk_buff *)`
#[kprobe]
fn kprobe_tcp_conn_request(ctx: ProbeContext) {
    handshake::on_enter(argument(&ctx, 2), argument(&ctx, 3));
}

/// `tcp_conn_request(struct request_sock_ops *, const struct tcp_request_sock_ops *, struct sock *, struct sk_buff *)`
#[kretprobe]
fn kretprobe_tcp_conn_request(_ctx: RetProbeContext) {
    handshake::on_conn_request_end(TIER);
}

/// `tcp_check_req(struct sock *, struct sk_buff *, struct request_sock *, bool, bool *[, enum skb_drop_reason *])`
#[kprobe]
fn kprobe_tcp_check_req(ctx: ProbeContext) {
    handshake::on_enter(argument(&ctx, 0), argument(&ctx, 1));
}

/// `tcp_check_req(struct sock *, struct sk_buff *, struct request_sock *, bool, bool *[, enum skb_drop_reason *])`
#[kretprobe]
fn kretprobe_tcp_check_req(_ctx: RetProbeContext) {
    handshake::on_check_req_end(TIER);
}

/// `tcp_get_cookie_sock(struct sock *, struct sk_buff *, struct request_sock *, struct dst_entry *[, u32])`
#[kprobe]
fn kprobe_tcp_get_cookie_sock(ctx: ProbeContext) {
    handshake::on_enter(argument(&ctx, 0), argument(&ctx, 1));
}

/// `tcp_get_cookie_sock(struct sock *, struct sk_buff *, struct request_sock *, struct dst_entry *[, u32])`
#[kretprobe]
fn kretprobe_tcp_get_cookie_sock(_ctx: RetProbeContext) {
    handshake::on_cookie_sock_end(TIER);
}

/// `reqsk_timer_handler(struct timer_list *)`
#[kprobe]
fn kprobe_reqsk_timer_handler(ctx: ProbeContext) {
    handshake::on_request_timer(argument(&ctx, 0));
}

/// `reqsk_timer_handler(struct timer_list *)`
#[kretprobe]
fn kretprobe_reqsk_timer_handler(_ctx: RetProbeContext) {
    handshake::on_request_timer_end(TIER);
}

/// `security_sock_graft(struct sock *, struct socket *)`
#[kprobe]
fn kprobe_security_sock_graft(ctx: ProbeContext) {
    accept::on_graft(argument(&ctx, 0));
}

/// `inet_csk_accept(struct sock *, struct proto_accept_arg *)` or
/// `inet_csk_accept(struct sock *, int, int *, bool)`
#[kprobe]
fn kprobe_inet_csk_accept(ctx: ProbeContext) {
    accept::on_ask(argument(&ctx, 0));
}

/// `__sys_listen(int, int)`
#[kprobe]
fn kprobe_sys_listen(ctx: ProbeContext) {
    listen::on_call(argument(&ctx, 1));
}

/// `security_socket_listen(struct socket *, int)`
#[kprobe]
fn kprobe_security_socket_listen(ctx: ProbeContext) {
    listen::on_allowed(argument(&ctx, 0), argument(&ctx, 1));
}

/// `inet_twsk_alloc(const struct sock *, struct inet_timewait_death_row *, const int)`
#[kprobe]
fn kprobe_inet_twsk_alloc(ctx: ProbeContext) {
    minisock::before_alloc(argument(&ctx, 0), argument(&ctx, 2));
}

/// `inet_twsk_alloc(const struct sock *, struct inet_timewait_death_row *, const int)`
#[kretprobe]
fn kretprobe_inet_twsk_alloc(ctx: RetProbeContext) {
    minisock::on_alloc_end(ctx.ret(), TIER);
}

/// `inet_twsk_hashdance_schedule(struct inet_timewait_sock *, struct sock *, struct inet_hashinfo *, int)`
#[kprobe]
fn kprobe_inet_twsk_hashdance_schedule(ctx: ProbeContext) {
    minisock::on_hashdance_schedule(argument(&ctx, 1), argument(&ctx, 3), TIER);
}

/// `__inet_twsk_schedule(struct inet_timewait_sock *, int, bool)`
#[kprobe]
fn kprobe_inet_twsk_schedule(ctx: ProbeContext) {
    minisock::on_schedule(argument(&ctx, 1), argument(&ctx, 2) & 0xff != 0, TIER);
}

/// `tw_timer_handler(struct timer_list *)`
#[kprobe]
fn kprobe_tw_timer_handler(ctx: ProbeContext) {
    minisock::on_timer(argument(&ctx, 0), TIER);
}

/// `tcp_twsk_unique(struct sock *, struct sock *, void *)`
#[kprobe]
fn kprobe_tcp_twsk_unique(ctx: ProbeContext) {
    minisock::before_unique(argument(&ctx, 0), argument(&ctx, 1));
}

/// `tcp_twsk_unique(struct sock *, struct sock *, void *)`
#[kretprobe]
fn kretprobe_tcp_twsk_unique(ctx: RetProbeContext) {
    minisock::on_unique_end(ctx.ret());
}

/// `tcp_timewait_state_process(struct inet_timewait_sock *, struct sk_buff *, const struct tcphdr *[, u32 *[, enum skb_drop_reason *]])`
#[kprobe]
fn kprobe_tcp_timewait_state_process(ctx: ProbeContext) {
    minisock::on_packet(argument(&ctx, 0), argument(&ctx, 1));
}

/// `tcp_timewait_state_process(struct inet_timewait_sock *, struct sk_buff *, const struct tcphdr *[, u32 *[, enum skb_drop_reason *]])`
#[kretprobe]
fn kretprobe_tcp_timewait_state_process(ctx: RetProbeContext) {
    minisock::on_packet_end(ctx.ret(), TIER);
}

/// `inet_twsk_deschedule_put(struct inet_timewait_sock *)`
#[kprobe]
fn kprobe_inet_twsk_deschedule_put(ctx: ProbeContext) {
    minisock::on_deschedule(argument(&ctx, 0), TIER);
}

/// `tcp_v4_send_reset(const struct sock *, struct sk_buff *[, enum sk_rst_reason])`
#[kprobe]
fn kprobe_tcp_v4_send_reset(ctx: ProbeContext) {
    answer::on_enter(argument(&ctx, 0), argument(&ctx, 1));
}

/// `tcp_v4_send_reset(const struct sock *, struct sk_buff *[, enum sk_rst_reason])`
#[kretprobe]
fn kretprobe_tcp_v4_send_reset(_ctx: RetProbeContext) {
    answer::on_end(hook::TCP_V4_SEND_RESET + TIER);
}

/// `tcp_v6_send_reset(const struct sock *, struct sk_buff *[, enum sk_rst_reason])`
#[kprobe]
fn kprobe_tcp_v6_send_reset(ctx: ProbeContext) {
    answer::on_enter(argument(&ctx, 0), argument(&ctx, 1));
}

/// `tcp_v6_send_reset(const struct sock *, struct sk_buff *[, enum sk_rst_reason])`
#[kretprobe]
fn kretprobe_tcp_v6_send_reset(_ctx: RetProbeContext) {
    answer::on_end(hook::TCP_V6_SEND_RESET + TIER);
}

/// `tcp_validate_incoming(struct sock *, struct sk_buff *, const struct tcphdr *, int)`
#[kprobe]
fn kprobe_tcp_validate_incoming(ctx: ProbeContext) {
    paws::on_validate(argument(&ctx, 0), argument(&ctx, 1));
}

/// `tcp_validate_incoming(struct sock *, struct sk_buff *, const struct tcphdr *, int)`
#[kretprobe]
fn kretprobe_tcp_validate_incoming(_ctx: RetProbeContext) {
    paws::on_validate_end(TIER);
}
