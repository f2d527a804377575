//! Entry and exit of kernel functions, through BTF. Each shim names the prototype it relies on; a
//! test holds it against BTF. Arguments are taken as plain numbers and probed by the signals, so
//! that the same bodies serve the breakpoints of `kprobe.rs`.

#![allow(
    clippy::needless_pass_by_value,
    reason = "the macro hands over the context by value"
)]

use aya_ebpf::macros::{fentry, fexit};
use aya_ebpf::programs::{FEntryContext, FExitContext};
use tcptrace_common::config::HELPER_FUNC_RET;
use tcptrace_common::kind::hook;

use crate::offsets::has;
use crate::signal::{accept, answer, handshake, linger, listen, minisock, paws};

/// Added to a hook's number: nothing, the numbers are this tier's.
const TIER: u8 = 0;

/// What the function returned. It lies behind the arguments, of which later kernels have more: from
/// 5.17 on a helper knows the place; before, the count was `arguments`.
#[inline(always)]
fn result(ctx: &FExitContext, arguments: usize) -> u64 {
    if has(HELPER_FUNC_RET) {
        ctx.ret().unwrap_or(0)
    } else {
        ctx.arg(arguments)
    }
}

/// `tcp_conn_request(struct request_sock_ops *, const struct tcp_request_sock_ops *, struct sock *, struct sk_buff *)`
#[fentry(function = "tcp_conn_request")]
fn fentry_tcp_conn_request(ctx: FEntryContext) {
    handshake::on_enter(ctx.arg(2), ctx.arg(3));
}

/// `tcp_conn_request(struct request_sock_ops *, const struct tcp_request_sock_ops *, struct sock *, struct sk_buff *)`
#[fexit(function = "tcp_conn_request")]
fn fexit_tcp_conn_request(_ctx: FExitContext) {
    handshake::on_conn_request_end(TIER);
}

/// `tcp_check_req(struct sock *, struct sk_buff *, struct request_sock *, bool, bool *[, enum skb_drop_reason *])`
#[fentry(function = "tcp_check_req")]
fn fentry_tcp_check_req(ctx: FEntryContext) {
    handshake::on_enter(ctx.arg(0), ctx.arg(1));
}

/// `tcp_check_req(struct sock *, struct sk_buff *, struct request_sock *, bool, bool *[, enum skb_drop_reason *])`
#[fexit(function = "tcp_check_req")]
fn fexit_tcp_check_req(_ctx: FExitContext) {
    handshake::on_check_req_end(TIER);
}

/// `tcp_get_cookie_sock(struct sock *, struct sk_buff *, struct request_sock *, struct dst_entry *[, u32])`
#[fentry(function = "tcp_get_cookie_sock")]
fn fentry_tcp_get_cookie_sock(ctx: FEntryContext) {
    handshake::on_enter(ctx.arg(0), ctx.arg(1));
}

/// `tcp_get_cookie_sock(struct sock *, struct sk_buff *, struct request_sock *, struct dst_entry *[, u32])`
#[fexit(function = "tcp_get_cookie_sock")]
fn fexit_tcp_get_cookie_sock(_ctx: FExitContext) {
    handshake::on_cookie_sock_end(TIER);
}

/// `reqsk_timer_handler(struct timer_list *)`
#[fentry(function = "reqsk_timer_handler")]
fn fentry_reqsk_timer_handler(ctx: FEntryContext) {
    handshake::on_request_timer(ctx.arg(0));
}

/// `reqsk_timer_handler(struct timer_list *)`
#[fexit(function = "reqsk_timer_handler")]
fn fexit_reqsk_timer_handler(_ctx: FExitContext) {
    handshake::on_request_timer_end(TIER);
}

/// `security_sock_graft(struct sock *, struct socket *)`
#[fentry(function = "security_sock_graft")]
fn fentry_security_sock_graft(ctx: FEntryContext) {
    accept::on_graft(ctx.arg(0));
}

/// `inet_csk_accept(struct sock *, struct proto_accept_arg *)` or
/// `inet_csk_accept(struct sock *, int, int *, bool)`
#[fentry(function = "inet_csk_accept")]
fn fentry_inet_csk_accept(ctx: FEntryContext) {
    accept::on_ask(ctx.arg(0));
}

/// `__sys_listen(int, int)`
#[fentry(function = "__sys_listen")]
fn fentry_sys_listen(ctx: FEntryContext) {
    listen::on_call(ctx.arg(1));
}

/// `security_socket_listen(struct socket *, int)`
#[fentry(function = "security_socket_listen")]
fn fentry_security_socket_listen(ctx: FEntryContext) {
    listen::on_allowed(ctx.arg(0), ctx.arg(1));
}

/// `sk_stream_wait_close(struct sock *, long int)`
#[fentry(function = "sk_stream_wait_close")]
fn fentry_sk_stream_wait_close(ctx: FEntryContext) {
    linger::on_wait(ctx.arg(1));
}

/// `sk_stream_wait_close(struct sock *, long int)`
#[fexit(function = "sk_stream_wait_close")]
fn fexit_sk_stream_wait_close(_ctx: FExitContext) {
    linger::on_wait_end(TIER);
}

/// `inet_twsk_alloc(const struct sock *, struct inet_timewait_death_row *, const int)`
#[fexit(function = "inet_twsk_alloc")]
fn fexit_inet_twsk_alloc(ctx: FExitContext) {
    minisock::on_alloc(ctx.arg(0), ctx.arg::<u32>(2).into(), ctx.arg(3), TIER);
}

/// `inet_twsk_hashdance_schedule(struct inet_timewait_sock *, struct sock *, struct inet_hashinfo *, int)`
#[fentry(function = "inet_twsk_hashdance_schedule")]
fn fentry_inet_twsk_hashdance_schedule(ctx: FEntryContext) {
    minisock::on_hashdance_schedule(ctx.arg(1), ctx.arg(3), TIER);
}

/// `__inet_twsk_schedule(struct inet_timewait_sock *, int, bool)`
#[fentry(function = "__inet_twsk_schedule")]
fn fentry_inet_twsk_schedule(ctx: FEntryContext) {
    minisock::on_schedule(ctx.arg(1), ctx.arg::<u64>(2) & 0xff != 0, TIER);
}

/// `tw_timer_handler(struct timer_list *)`
#[fentry(function = "tw_timer_handler")]
fn fentry_tw_timer_handler(ctx: FEntryContext) {
    minisock::on_timer(ctx.arg(0), TIER);
}

/// `tcp_twsk_unique(struct sock *, struct sock *, void *)`
#[fexit(function = "tcp_twsk_unique")]
fn fexit_tcp_twsk_unique(ctx: FExitContext) {
    minisock::on_unique(ctx.arg(0), ctx.arg(1), ctx.arg(3));
}

/// `tcp_timewait_state_process(struct inet_timewait_sock *, struct sk_buff *, const struct tcphdr *[, u32 *[, enum skb_drop_reason *]])`
#[fentry(function = "tcp_timewait_state_process")]
fn fentry_tcp_timewait_state_process(ctx: FEntryContext) {
    minisock::on_packet(ctx.arg(0), ctx.arg(1));
}

/// `tcp_timewait_state_process(struct inet_timewait_sock *, struct sk_buff *, const struct tcphdr *[, u32 *[, enum skb_drop_reason *]])`
#[fexit(function = "tcp_timewait_state_process")]
fn fexit_tcp_timewait_state_process(ctx: FExitContext) {
    minisock::on_packet_end(result(&ctx, 3), TIER);
}

/// `inet_twsk_deschedule_put(struct inet_timewait_sock *)`
#[fentry(function = "inet_twsk_deschedule_put")]
fn fentry_inet_twsk_deschedule_put(ctx: FEntryContext) {
    minisock::on_deschedule(ctx.arg(0), TIER);
}

/// `tcp_v4_send_reset(const struct sock *, struct sk_buff *[, enum sk_rst_reason])`
#[fentry(function = "tcp_v4_send_reset")]
fn fentry_tcp_v4_send_reset(ctx: FEntryContext) {
    answer::on_enter(ctx.arg(0), ctx.arg(1));
}

/// `tcp_v4_send_reset(const struct sock *, struct sk_buff *[, enum sk_rst_reason])`
#[fexit(function = "tcp_v4_send_reset")]
fn fexit_tcp_v4_send_reset(_ctx: FExitContext) {
    answer::on_end(hook::TCP_V4_SEND_RESET + TIER);
}

/// `tcp_v6_send_reset(const struct sock *, struct sk_buff *[, enum sk_rst_reason])`
#[fentry(function = "tcp_v6_send_reset")]
fn fentry_tcp_v6_send_reset(ctx: FEntryContext) {
    answer::on_enter(ctx.arg(0), ctx.arg(1));
}

/// `tcp_v6_send_reset(const struct sock *, struct sk_buff *[, enum sk_rst_reason])`
#[fexit(function = "tcp_v6_send_reset")]
fn fexit_tcp_v6_send_reset(_ctx: FExitContext) {
    answer::on_end(hook::TCP_V6_SEND_RESET + TIER);
}

/// `tcp_validate_incoming(struct sock *, struct sk_buff *, const struct tcphdr *, int)`
#[fentry(function = "tcp_validate_incoming")]
fn fentry_tcp_validate_incoming(ctx: FEntryContext) {
    paws::on_validate(ctx.arg(0), ctx.arg(1));
}

/// `tcp_validate_incoming(struct sock *, struct sk_buff *, const struct tcphdr *, int)`
#[fexit(function = "tcp_validate_incoming")]
fn fexit_tcp_validate_incoming(_ctx: FExitContext) {
    paws::on_validate_end(TIER);
}
