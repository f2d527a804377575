//! The programs: each takes its arguments and calls one body in `signal`. All of them are made from the
//! table of hooks, `tcptrace_common::hooks`, which says what each is attached to.

mod context;

use core::ffi::c_void;

use context::{Breakpoint, Entry, Exit, ReturnBreakpoint, Tracepoint};
use tcptrace_common::config::{
    ARG_DROP_REASON, ARG_DROP_SOCK, ARG_RESET_REASON, ARG_RETRANSMIT_ERR, NO_REASON, NO_RESULT,
};
use tcptrace_common::hook;

use crate::offsets::has;
use crate::signal::{
    accept, answer, baseline, calls, drop, fork, handshake, linger, listen, minisock, paws, reset,
    retransmit, snapshot, state, syn, timer,
};

/// Calls a body with the arguments of a row, one after the other.
macro_rules! call {
    ($ctx:ident, $number:expr, $body:path, [$($done:expr,)*]) => { $body($($done),*) };
    ($ctx:ident, $number:expr, $body:path, [$($done:expr,)*] hook $(, $($rest:tt)*)?) => {
        call!($ctx, $number, $body, [$($done,)* $number,] $($($rest)*)?)
    };
    ($ctx:ident, $number:expr, $body:path, [$($done:expr,)*] ret $count:literal $(, $($rest:tt)*)?) => {
        call!($ctx, $number, $body, [$($done,)* $ctx.result($count),] $($($rest)*)?)
    };
    (
        $ctx:ident, $number:expr, $body:path,
        [$($done:expr,)*] $place:literal if $feature:ident else $absent:expr $(, $($rest:tt)*)?
    ) => {
        call!(
            $ctx, $number, $body,
            [$($done,)* if has($feature) { $ctx.argument($place) } else { $absent },]
            $($($rest)*)?
        )
    };
    ($ctx:ident, $number:expr, $body:path, [$($done:expr,)*] $place:literal $(, $($rest:tt)*)?) => {
        call!($ctx, $number, $body, [$($done,)* $ctx.argument($place),] $($($rest)*)?)
    };
}

/// One program: its section, its name in the object, its context, its call.
macro_rules! program {
    ($section:expr, $name:expr, $context:ident, $number:expr, $slot:ident::$body:ident($($argument:tt)*)) => {
        const _: () = {
            #[unsafe(export_name = $name)]
            #[unsafe(link_section = $section)]
            extern "C" fn program(ctx: *mut c_void) -> i32 {
                let _ctx = $context::new(ctx);
                call!(_ctx, $number, $slot::$body, [] $($argument)*);
                0
            }
        };
    };
}

/// The programs of one form of a row.
macro_rules! function {
    (entry, $NUMBER:ident, $name:ident, $($call:tt)*) => {
        function!(fentry, $NUMBER, $name, $($call)*);
        function!(kprobe, $NUMBER, $name, $($call)*);
    };
    (exit, $NUMBER:ident, $name:ident, $($call:tt)*) => {
        function!(fexit, $NUMBER, $name, $($call)*);
        function!(kretprobe, $NUMBER, $name, $($call)*);
    };
    (fentry, $NUMBER:ident, $name:ident, $($call:tt)*) => {
        program!(
            concat!("fentry/", stringify!($name)), concat!("fentry_", stringify!($name)),
            Entry, hook::$NUMBER, $($call)*
        );
    };
    (fexit, $NUMBER:ident, $name:ident, $($call:tt)*) => {
        program!(
            concat!("fexit/", stringify!($name)), concat!("fexit_", stringify!($name)),
            Exit, hook::$NUMBER, $($call)*
        );
    };
    (kprobe, $NUMBER:ident, $name:ident, $($call:tt)*) => {
        program!(
            "kprobe", concat!("kprobe_", stringify!($name)),
            Breakpoint, hook::by_breakpoint(hook::$NUMBER), $($call)*
        );
    };
    (kretprobe, $NUMBER:ident, $name:ident, $($call:tt)*) => {
        program!(
            "kretprobe", concat!("kretprobe_", stringify!($name)),
            ReturnBreakpoint, hook::by_breakpoint(hook::$NUMBER), $($call)*
        );
    };
}

macro_rules! programs {
    (
        tracepoints { $(
            $TRACEPOINT:ident $tracepoint:ident [$($tracepoint_prototype:literal),+]
                $tracepoint_room:ident::$tracepoint_body:ident $tracepoint_arguments:tt;
        )* }
        iterators { $(
            $iterator:ident [$($iterator_prototype:literal),+]
                $iterator_room:ident::$iterator_body:ident $iterator_arguments:tt;
        )* }
        functions { $(
            $FUNCTION:ident $function:ident in [$($family:ident),+] $(unless $other:ident)?
                [$($prototype:literal),+]
                $($form:ident $slot:ident::$body:ident $arguments:tt)+;
        )* }
    ) => {
        $(program!(
            concat!("tp_btf/", stringify!($tracepoint)), stringify!($tracepoint),
            Tracepoint, hook::$TRACEPOINT, $tracepoint_room::$tracepoint_body $tracepoint_arguments
        );)*
        $(program!(
            concat!("iter/", stringify!($iterator)), stringify!($iterator),
            Tracepoint, 0, $iterator_room::$iterator_body $iterator_arguments
        );)*
        $($(function!($form, $FUNCTION, $function, $slot::$body $arguments);)+)*
    };
}

tcptrace_common::hooks!(programs);

// A second program on the tracepoint whose runs the kernel must not skip: see `crate::reentry`.
program!(
    "tp_btf/inet_sock_set_state",
    "inet_sock_set_state_again",
    Tracepoint,
    hook::INET_SOCK_SET_STATE,
    state::on_skipped_state(0, 1, 2)
);

// Never attached: the user side runs it once on each CPU.
program!(
    "raw_tp/read_baseline",
    "read_baseline",
    Tracepoint,
    0,
    baseline::on_run(0, 1, 2)
);
