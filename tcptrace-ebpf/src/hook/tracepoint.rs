//! BTF tracepoints. Each shim names the prototype it relies on; a test holds it against BTF.

#![allow(
    clippy::needless_pass_by_value,
    reason = "the macro hands over the context by value"
)]

use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use tcptrace_common::config::{
    ARG_DROP_REASON, ARG_DROP_SOCK, ARG_RESET_REASON, ARG_RETRANSMIT_ERR, NO_REASON,
};

use crate::offsets::has;
use crate::signal::{drop, fork, reset, retransmit, state, syn, timer};

/// `inet_sock_set_state(const struct sock *, const int, const int)`
#[btf_tracepoint(function = "inet_sock_set_state")]
fn inet_sock_set_state(ctx: BtfTracePointContext) {
    state::on_set_state(ctx.arg(0), ctx.arg::<i32>(1) as u8, ctx.arg::<i32>(2) as u8);
}

/// `tcp_destroy_sock(struct sock *)`
#[btf_tracepoint(function = "tcp_destroy_sock")]
fn tcp_destroy_sock(ctx: BtfTracePointContext) {
    state::on_destroy(ctx.arg(0));
}

/// `tcp_rcv_space_adjust(struct sock *)`
#[btf_tracepoint(function = "tcp_rcv_space_adjust")]
fn tcp_rcv_space_adjust(ctx: BtfTracePointContext) {
    state::on_read(ctx.arg(0));
}

/// `tcp_send_reset(const struct sock *, const struct sk_buff *[, const enum sk_rst_reason])`
#[btf_tracepoint(function = "tcp_send_reset")]
fn tcp_send_reset(ctx: BtfTracePointContext) {
    let reason = if has(ARG_RESET_REASON) {
        ctx.arg::<u32>(2)
    } else {
        NO_REASON
    };
    reset::on_send_reset(ctx.arg(0), ctx.arg(1), reason);
}

/// `tcp_receive_reset(struct sock *)`
#[btf_tracepoint(function = "tcp_receive_reset")]
fn tcp_receive_reset(ctx: BtfTracePointContext) {
    reset::on_receive_reset(ctx.arg(0));
}

/// `tcp_retransmit_skb(const struct sock *, const struct sk_buff *[, int])`
#[btf_tracepoint(function = "tcp_retransmit_skb")]
fn tcp_retransmit_skb(ctx: BtfTracePointContext) {
    let err = if has(ARG_RETRANSMIT_ERR) {
        ctx.arg::<i32>(2)
    } else {
        i32::MIN
    };
    retransmit::on_retransmit(ctx.arg(0), ctx.arg(1), err);
}

/// `tcp_retransmit_synack(const struct sock *, const struct request_sock *)`
#[btf_tracepoint(function = "tcp_retransmit_synack")]
fn tcp_retransmit_synack(ctx: BtfTracePointContext) {
    retransmit::on_retransmit_synack(ctx.arg(0), ctx.arg(1));
}

/// `kfree_skb(struct sk_buff *, void *[, enum skb_drop_reason[, struct sock *]])`
#[btf_tracepoint(function = "kfree_skb")]
fn kfree_skb(ctx: BtfTracePointContext) {
    let reason = if has(ARG_DROP_REASON) {
        ctx.arg::<u32>(2)
    } else {
        NO_REASON
    };
    let sk = if has(ARG_DROP_SOCK) {
        ctx.arg(3)
    } else {
        core::ptr::null()
    };
    drop::on_drop(ctx.arg(0), reason, sk);
}

/// `consume_skb(struct sk_buff *[, void *])`
#[btf_tracepoint(function = "consume_skb")]
fn consume_skb(ctx: BtfTracePointContext) {
    syn::on_consume(ctx.arg(0));
}

/// `timer_start(struct timer_list *, long unsigned int[, unsigned int])`
#[btf_tracepoint(function = "timer_start")]
fn timer_start(ctx: BtfTracePointContext) {
    timer::on_start(ctx.arg(0));
}

/// `timer_expire_entry(struct timer_list *, long unsigned int)`
#[btf_tracepoint(function = "timer_expire_entry")]
fn timer_expire_entry(ctx: BtfTracePointContext) {
    timer::on_expire(ctx.arg(0));
}

/// `timer_cancel(struct timer_list *)`
#[btf_tracepoint(function = "timer_cancel")]
fn timer_cancel(ctx: BtfTracePointContext) {
    timer::on_cancel(ctx.arg(0));
}

/// `sched_process_fork(struct task_struct *, struct task_struct *)`
#[btf_tracepoint(function = "sched_process_fork")]
fn sched_process_fork(ctx: BtfTracePointContext) {
    fork::on_fork(ctx.arg(0), ctx.arg(1));
}
