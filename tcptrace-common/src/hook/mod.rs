//! Where the kernel can be observed: numbers on the wire, names, families and prototypes, all made
//! from the rows in `table.rs`.

mod table;

use crate::config::by_function;

/// Function hooks that serve together: all of them or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// accept() hands a connection over.
    Accepted,
    /// Which listener a task asks, and when it gets a connection from it.
    AcceptWaits,
    /// What listen() is given, before net.core.somaxconn cuts it.
    Backlogs,
    /// SYNs that a listener takes or refuses.
    Syns,
    /// What follows the SYN, cookies included. `tcp_v4_syn_recv_sock` would name the refusal, but its
    /// seven arguments cannot be traced through BTF on 6.1.
    Acks,
    /// SYN-ACKs that are due again.
    RequestTimer,
    /// A close that waits.
    WaitClose,
    /// TIME_WAIT sockets. From 6.12 on one function hashes and schedules them; before, scheduling is
    /// a function of its own.
    TimeWait,
    /// RSTs without a full socket.
    Answers,
    /// Timestamps of connections.
    Validation,
    /// What connect() and bind() return.
    Calls,
}

impl Family {
    /// What tracepoints need not report while the family serves: bits of [`by_function`].
    pub const fn by_function(self) -> u32 {
        match self {
            Self::Accepted | Self::AcceptWaits | Self::Backlogs | Self::RequestTimer => 0,
            Self::Syns => by_function::SYN,
            Self::Acks => by_function::ACK,
            Self::WaitClose => by_function::LINGER,
            Self::TimeWait => by_function::TIME_WAIT,
            Self::Answers => by_function::NO_SOCKET,
            Self::Validation => by_function::PAWS,
            Self::Calls => by_function::CONNECT,
        }
    }
}

/// Where a hook sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// A BTF tracepoint.
    Tracepoint,
    /// An iterator over kernel objects, run once.
    Iterator,
    /// Entry or exit of a function.
    Function,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Hook {
    /// Where it sits.
    pub site: Site,
    /// The kernel's name of the tracepoint, iterator or function.
    pub name: &'static str,
    /// Its prototype, in each form that some kernel has.
    pub prototypes: &'static [&'static str],
    /// Which families need it.
    pub families: &'static [Family],
    /// The function that it stands in for where the kernel does not have that.
    pub unless: Option<&'static str>,
    /// The programs that hook it through BTF, by their names in the object, the reporting one last.
    pub by_btf: &'static [&'static str],
    /// The programs that hook it through breakpoints, likewise; empty = it cannot be hooked this way.
    pub by_breakpoint: &'static [&'static str],
    /// The number of its records that come through BTF.
    number: usize,
}

impl Hook {
    /// The hook whose records bear this number when they come through BTF.
    pub fn by_number(number: u8) -> Option<&'static Self> {
        let mut hooks = HOOKS.iter();
        hooks.find(|hook| hook.number == usize::from(number))
    }

    /// Its name in events when it is hooked through BTF.
    pub fn label(&self) -> &'static str {
        NAMES.get(self.number).copied().unwrap_or("?")
    }

    /// The name in events of the hook to which a program belongs, by the program's name in the object.
    pub fn label_of_program(program: &str) -> Option<&'static str> {
        HOOKS.iter().find_map(|hook| {
            if hook.by_btf.contains(&program) {
                Some(hook.label())
            } else if hook.by_breakpoint.contains(&program) {
                hook.label_by_breakpoint()
            } else {
                None
            }
        })
    }

    /// Its name in events when it is hooked through a breakpoint; `None` = it cannot be.
    pub fn label_by_breakpoint(&self) -> Option<&'static str> {
        if self.by_breakpoint.is_empty() {
            return None;
        }
        NAMES.get(self.number + FUNCTION_COUNT).copied()
    }
}

/// The programs of a row, from its forms, in the order of calls.
macro_rules! programs {
    (@btf $name:ident) => { &[] };
    (@btf $name:ident entry $a:ident exit $b:ident) => {
        &[concat!("fentry_", stringify!($name)), concat!("fexit_", stringify!($name))]
    };
    (@btf $name:ident fentry $a:ident fexit $b:ident) => { programs!(@btf $name entry $a exit $b) };
    (@btf $name:ident entry $a:ident) => { &[concat!("fentry_", stringify!($name))] };
    (@btf $name:ident fexit $a:ident $($others:tt)*) => { &[concat!("fexit_", stringify!($name))] };
    (@breakpoint $name:ident entry $a:ident exit $b:ident) => {
        &[concat!("kprobe_", stringify!($name)), concat!("kretprobe_", stringify!($name))]
    };
    (@breakpoint $name:ident entry $a:ident) => { &[concat!("kprobe_", stringify!($name))] };
    (@breakpoint $name:ident fexit $c:ident kprobe $a:ident kretprobe $b:ident) => {
        programs!(@breakpoint $name entry $a exit $b)
    };
    (@breakpoint $name:ident fentry $a:ident fexit $b:ident) => { &[] };
}

/// The kind of hook that reports, from the forms of a row.
macro_rules! reporter {
    (@btf $name:ident entry $a:ident) => {
        concat!("fentry/", stringify!($name))
    };
    (@btf $name:ident $($others:tt)*) => {
        concat!("fexit/", stringify!($name))
    };
    (@breakpoint $name:ident entry $a:ident) => {
        concat!("kprobe/", stringify!($name))
    };
    (@breakpoint $name:ident $($others:tt)*) => {
        concat!("kretprobe/", stringify!($name))
    };
}

macro_rules! tables {
    (
        tracepoints { $(
            $TRACEPOINT:ident $tracepoint:ident [$($tracepoint_prototype:literal),+]
                $tracepoint_room:ident::$tracepoint_body:ident($($tracepoint_argument:tt)*);
        )* }
        iterators { $(
            $iterator:ident [$($iterator_prototype:literal),+]
                $iterator_room:ident::$iterator_body:ident($($iterator_argument:tt)*);
        )* }
        functions { $(
            $FUNCTION:ident $function:ident in [$($family:ident),+] $(unless $other:ident)?
                [$($prototype:literal),+]
                $($form:ident $slot:ident::$body:ident($($argument:tt)*))+;
        )* }
    ) => {
        /// Numbers in the order of the rows.
        #[repr(u8)]
        #[allow(non_camel_case_types, reason = "names of the table, for counting only")]
        #[derive(Clone, Copy)]
        enum Number { $($TRACEPOINT,)* $($FUNCTION,)* End }

        $(
            #[doc = concat!("`tp_btf/", stringify!($tracepoint), "`")]
            pub const $TRACEPOINT: u8 = Number::$TRACEPOINT as u8;
        )*
        $(
            #[doc = concat!("`", stringify!($function), "`, through BTF.")]
            pub const $FUNCTION: u8 = Number::$FUNCTION as u8;
        )*

        /// How many functions are hooked.
        const FUNCTION_COUNT: usize = [$(Number::$FUNCTION,)*].len();

        /// Names by number: tracepoints, functions through BTF, functions through breakpoints.
        pub const NAMES: [&str; Number::End as usize + FUNCTION_COUNT] = [
            $(concat!("tp_btf/", stringify!($tracepoint)),)*
            $(reporter!(@btf $function $($form $body)+),)*
            $(reporter!(@breakpoint $function $($form $body)+),)*
        ];

        /// Every hook.
        pub const HOOKS: &[Hook] = &[
            $(Hook {
                site: Site::Tracepoint,
                name: stringify!($tracepoint),
                prototypes: &[$($tracepoint_prototype),+],
                families: &[],
                unless: None,
                by_btf: &[stringify!($tracepoint)],
                by_breakpoint: &[],
                number: Number::$TRACEPOINT as usize,
            },)*
            $(Hook {
                site: Site::Iterator,
                name: stringify!($iterator),
                prototypes: &[$($iterator_prototype),+],
                families: &[],
                unless: None,
                by_btf: &[stringify!($iterator)],
                by_breakpoint: &[],
                number: usize::MAX,
            },)*
            $(Hook {
                site: Site::Function,
                name: stringify!($function),
                prototypes: &[$($prototype),+],
                families: &[$(Family::$family),+],
                unless: [$(Some(stringify!($other)),)? None][0],
                by_btf: programs!(@btf $function $($form $body)+),
                by_breakpoint: programs!(@breakpoint $function $($form $body)+),
                number: Number::$FUNCTION as usize,
            },)*
        ];
    };
}

crate::hooks!(tables);

/// The number of the same function when a breakpoint reports it.
pub const fn by_breakpoint(function: u8) -> u8 {
    function + FUNCTION_COUNT as u8
}

const _: () = assert!(NAMES.len() <= u8::MAX as usize, "numbers are bytes");
