//! The rows: every hook there is.

/// Hands all hooks to the macro `$consumer`: the kernel side makes the programs from the rows, this
/// crate the numbers, names and families. To add a hook, add a row and write its body.
///
/// A row is `NUMBER kernel_name ["prototype", ...] forms;`. A prototype is
/// `name(type, type[, type])`: from the first bracket on, arguments are not there on every kernel. A
/// test compares all of them with the types of every supported kernel.
///
/// A form is the body that a program calls, with its arguments:
///
/// | argument | what the body gets |
/// |---|---|
/// | `2` | the argument in that place |
/// | `2 if FEATURE else value` | the same, where the kernel has it (bits of [`crate::config`]) |
/// | `ret 3` | what the function returned; `3` = how many arguments it had before 5.17, which had no helper for that |
/// | `hook` | the number of the hook, for the record |
///
/// Rows of functions name their families (several, where each needs the hook) and may stand in for a
/// function of another row, `unless` the kernel has that. Their forms are `entry` and `exit` where the
/// program is the same in both tiers; else `fentry`, `fexit`, `kprobe`, `kretprobe`. An exit through a
/// breakpoint does not show the arguments: the body gets 0, and relies on what the entry has kept. A function that blocks
/// has no exit there: the kernel keeps room for a few calls at a time and misses the returns of the
/// others.
#[macro_export]
macro_rules! hooks {
    ($consumer:ident) => {
        $consumer! {
            tracepoints {
                INET_SOCK_SET_STATE inet_sock_set_state
                    ["inet_sock_set_state(const struct sock *, const int, const int)"]
                    state::on_set_state(0, 1, 2);
                TCP_SEND_RESET tcp_send_reset
                    ["tcp_send_reset(const struct sock *, const struct sk_buff *[, const enum sk_rst_reason])"]
                    reset::on_send_reset(0, 1, 2 if ARG_RESET_REASON else NO_REASON);
                TCP_RECEIVE_RESET tcp_receive_reset
                    ["tcp_receive_reset(struct sock *)"]
                    reset::on_receive_reset(0);
                TCP_RETRANSMIT_SKB tcp_retransmit_skb
                    ["tcp_retransmit_skb(const struct sock *, const struct sk_buff *[, int])"]
                    retransmit::on_retransmit(0, 1, 2 if ARG_RETRANSMIT_ERR else NO_RESULT);
                TCP_RETRANSMIT_SYNACK tcp_retransmit_synack
                    ["tcp_retransmit_synack(const struct sock *, const struct request_sock *)"]
                    retransmit::on_retransmit_synack(0, 1);
                KFREE_SKB kfree_skb
                    ["kfree_skb(struct sk_buff *, void *[, enum skb_drop_reason[, struct sock *]])"]
                    drop::on_drop(
                        0,
                        2 if ARG_DROP_REASON else NO_REASON,
                        3 if ARG_DROP_SOCK else core::ptr::null()
                    );
                CONSUME_SKB consume_skb
                    ["consume_skb(struct sk_buff *[, void *])"]
                    syn::on_consume(0);
                TIMER_START timer_start
                    ["timer_start(struct timer_list *, long unsigned int[, unsigned int])"]
                    timer::on_start(0);
                TIMER_EXPIRE_ENTRY timer_expire_entry
                    ["timer_expire_entry(struct timer_list *, long unsigned int)"]
                    timer::on_expire(0);
                TIMER_CANCEL timer_cancel
                    ["timer_cancel(struct timer_list *)"]
                    timer::on_cancel(0);
                TCP_DESTROY_SOCK tcp_destroy_sock
                    ["tcp_destroy_sock(struct sock *)"]
                    state::on_destroy(0);
                TCP_RCV_SPACE_ADJUST tcp_rcv_space_adjust
                    ["tcp_rcv_space_adjust(struct sock *)"]
                    state::on_read(0);
                SCHED_PROCESS_FORK sched_process_fork
                    ["sched_process_fork(struct task_struct *, struct task_struct *)"]
                    fork::on_fork(0, 1);
            }
            iterators {
                task_file
                    ["bpf_iter_task_file(struct bpf_iter_meta *, struct task_struct *, u32, struct file *)"]
                    snapshot::on_task_file(1, 2, 3);
            }
            functions {
                TCP_CONN_REQUEST tcp_conn_request in [Syns]
                    ["tcp_conn_request(struct request_sock_ops *, const struct tcp_request_sock_ops *, struct sock *, struct sk_buff *)"]
                    entry handshake::on_enter(2, 3)
                    exit handshake::on_conn_request_end(2, 3, hook);
                TCP_CHECK_REQ tcp_check_req in [Acks]
                    ["tcp_check_req(struct sock *, struct sk_buff *, struct request_sock *, bool, bool *[, enum skb_drop_reason *])"]
                    entry handshake::on_enter(0, 1)
                    exit handshake::on_ack_end(0, 1, hook);
                TCP_GET_COOKIE_SOCK tcp_get_cookie_sock in [Acks]
                    ["tcp_get_cookie_sock(struct sock *, struct sk_buff *, struct request_sock *, struct dst_entry *[, u32])"]
                    entry handshake::on_enter(0, 1)
                    exit handshake::on_ack_end(0, 1, hook);
                REQSK_TIMER_HANDLER reqsk_timer_handler in [RequestTimer]
                    ["reqsk_timer_handler(struct timer_list *)"]
                    entry handshake::on_request_timer(0)
                    exit handshake::on_request_timer_end(0, hook);
                SECURITY_SOCK_GRAFT security_sock_graft in [Accepted, AcceptWaits]
                    ["security_sock_graft(struct sock *, struct socket *)"]
                    entry accept::on_graft(0);
                INET_CSK_ACCEPT inet_csk_accept in [AcceptWaits]
                    [
                        "inet_csk_accept(struct sock *, struct proto_accept_arg *)",
                        "inet_csk_accept(struct sock *, int, int *, bool)"
                    ]
                    entry accept::on_ask(0);
                SYS_LISTEN __sys_listen in [Backlogs]
                    ["__sys_listen(int, int)"]
                    entry listen::on_call(1);
                SECURITY_SOCKET_LISTEN security_socket_listen in [Backlogs]
                    ["security_socket_listen(struct socket *, int)"]
                    entry listen::on_allowed(0, 1);
                SK_STREAM_WAIT_CLOSE sk_stream_wait_close in [WaitClose]
                    ["sk_stream_wait_close(struct sock *, long int)"]
                    fentry linger::on_wait(1)
                    fexit linger::on_wait_end(hook);
                INET_TWSK_HASHDANCE_SCHEDULE inet_twsk_hashdance_schedule in [TimeWait]
                    ["inet_twsk_hashdance_schedule(struct inet_timewait_sock *, struct sock *, struct inet_hashinfo *, int)"]
                    entry minisock::on_hashdance_schedule(0, 3, hook);
                INET_TWSK_SCHEDULE __inet_twsk_schedule in [TimeWait] unless inet_twsk_hashdance_schedule
                    ["__inet_twsk_schedule(struct inet_timewait_sock *, int, bool)"]
                    entry minisock::on_schedule(0, 1, 2, hook);
                INET_TWSK_ALLOC inet_twsk_alloc in [TimeWait]
                    ["inet_twsk_alloc(const struct sock *, struct inet_timewait_death_row *, const int)"]
                    fexit minisock::on_alloc(0, 2, ret 3, hook)
                    kprobe minisock::before_alloc(0, 2)
                    kretprobe minisock::on_alloc_end(ret 3, hook);
                TW_TIMER_HANDLER tw_timer_handler in [TimeWait]
                    ["tw_timer_handler(struct timer_list *)"]
                    entry minisock::on_timer(0, hook);
                INET_TWSK_DESCHEDULE_PUT inet_twsk_deschedule_put in [TimeWait]
                    ["inet_twsk_deschedule_put(struct inet_timewait_sock *)"]
                    entry minisock::on_deschedule(0, hook);
                TCP_TIMEWAIT_STATE_PROCESS tcp_timewait_state_process in [TimeWait]
                    ["tcp_timewait_state_process(struct inet_timewait_sock *, struct sk_buff *, const struct tcphdr *[, u32 *[, enum skb_drop_reason *]])"]
                    entry minisock::on_packet(0, 1)
                    exit minisock::on_packet_end(0, 1, ret 3, hook);
                TCP_TWSK_UNIQUE tcp_twsk_unique in [TimeWait]
                    ["tcp_twsk_unique(struct sock *, struct sock *, void *)"]
                    fexit minisock::on_unique(0, 1, ret 3)
                    kprobe minisock::before_unique(0, 1)
                    kretprobe minisock::on_unique_end(ret 3);
                TCP_V4_SEND_RESET tcp_v4_send_reset in [Answers]
                    ["tcp_v4_send_reset(const struct sock *, struct sk_buff *[, enum sk_rst_reason])"]
                    entry answer::on_enter(0, 1)
                    exit answer::on_end(0, 1, hook);
                TCP_V6_SEND_RESET tcp_v6_send_reset in [Answers]
                    ["tcp_v6_send_reset(const struct sock *, struct sk_buff *[, enum sk_rst_reason])"]
                    entry answer::on_enter(0, 1)
                    exit answer::on_end(0, 1, hook);
                TCP_VALIDATE_INCOMING tcp_validate_incoming in [Validation]
                    ["tcp_validate_incoming(struct sock *, struct sk_buff *, const struct tcphdr *, int)"]
                    entry paws::on_validate(0, 1)
                    exit paws::on_validate_end(0, 1, hook);
                TCP_V4_CONNECT tcp_v4_connect in [Calls]
                    [
                        "tcp_v4_connect(struct sock *, struct sockaddr *, int)",
                        "tcp_v4_connect(struct sock *, struct sockaddr_unsized *, int)"
                    ]
                    fexit calls::on_connect_end(0, 1, ret 3, hook)
                    kprobe calls::before_connect(0, 1)
                    kretprobe calls::on_kept_connect_end(ret 3, hook);
                TCP_V6_CONNECT tcp_v6_connect in [Calls]
                    [
                        "tcp_v6_connect(struct sock *, struct sockaddr *, int)",
                        "tcp_v6_connect(struct sock *, struct sockaddr_unsized *, int)"
                    ]
                    fexit calls::on_connect_end(0, 1, ret 3, hook)
                    kprobe calls::before_connect(0, 1)
                    kretprobe calls::on_kept_connect_end(ret 3, hook);
                INET_BIND inet_bind in [Calls]
                    [
                        "inet_bind(struct socket *, struct sockaddr *, int)",
                        "inet_bind(struct socket *, struct sockaddr_unsized *, int)"
                    ]
                    fexit calls::on_bind_end(0, 1, ret 3, hook)
                    kprobe calls::before_bind(0, 1)
                    kretprobe calls::on_kept_bind_end(ret 3, hook);
                INET6_BIND inet6_bind in [Calls]
                    [
                        "inet6_bind(struct socket *, struct sockaddr *, int)",
                        "inet6_bind(struct socket *, struct sockaddr_unsized *, int)"
                    ]
                    fexit calls::on_bind_end(0, 1, ret 3, hook)
                    kprobe calls::before_bind(0, 1)
                    kretprobe calls::on_kept_bind_end(ret 3, hook);
            }
        }
    };
}
