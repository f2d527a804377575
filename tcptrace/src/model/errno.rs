//! Error numbers that calls on TCP sockets fail with, by their names in C.

use super::named;

/// Declares the names with their numbers on Linux (`asm-generic/errno.h`, the same on x86-64, arm64
/// and riscv64).
macro_rules! errnos {
    ($($variant:ident = $number:literal $name:literal, $says:literal;)*) => {
        named! {
            /// Why a call on a socket failed.
            Errno { $(#[doc = $says] $variant = $name,)* }
        }

        impl Errno {
            /// The error of that number, with either sign; `None` for one that this list does not have.
            #[must_use]
            pub const fn of_number(number: i32) -> Option<Self> {
                match number.unsigned_abs() {
                    $($number => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

errnos! {
    Eperm = 1 "EPERM", "Operation not permitted";
    Eintr = 4 "EINTR", "Interrupted system call";
    Eio = 5 "EIO", "Input/output error";
    Eagain = 11 "EAGAIN", "Resource temporarily unavailable";
    Enomem = 12 "ENOMEM", "Cannot allocate memory";
    Eacces = 13 "EACCES", "Permission denied";
    Efault = 14 "EFAULT", "Bad address";
    Enodev = 19 "ENODEV", "No such device";
    Einval = 22 "EINVAL", "Invalid argument";
    Epipe = 32 "EPIPE", "Broken pipe";
    Enonet = 64 "ENONET", "Machine is not on the network";
    Eproto = 71 "EPROTO", "Protocol error";
    Emsgsize = 90 "EMSGSIZE", "Message too long";
    Enoprotoopt = 92 "ENOPROTOOPT", "Protocol not available";
    Eopnotsupp = 95 "EOPNOTSUPP", "Operation not supported";
    Eafnosupport = 97 "EAFNOSUPPORT", "Address family not supported by protocol";
    Eaddrinuse = 98 "EADDRINUSE", "Address already in use";
    Eaddrnotavail = 99 "EADDRNOTAVAIL", "Cannot assign requested address";
    Enetdown = 100 "ENETDOWN", "Network is down";
    Enetunreach = 101 "ENETUNREACH", "Network is unreachable";
    Enetreset = 102 "ENETRESET", "Network dropped connection on reset";
    Econnaborted = 103 "ECONNABORTED", "Software caused connection abort";
    Econnreset = 104 "ECONNRESET", "Connection reset by peer";
    Enobufs = 105 "ENOBUFS", "No buffer space available";
    Eisconn = 106 "EISCONN", "Transport endpoint is already connected";
    Etimedout = 110 "ETIMEDOUT", "Connection timed out";
    Econnrefused = 111 "ECONNREFUSED", "Connection refused";
    Ehostdown = 112 "EHOSTDOWN", "Host is down";
    Ehostunreach = 113 "EHOSTUNREACH", "No route to host";
    Ealready = 114 "EALREADY", "Operation already in progress";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_kernel() {
        let known = [
            (1, "EPERM"),
            (98, "EADDRINUSE"),
            (99, "EADDRNOTAVAIL"),
            (101, "ENETUNREACH"),
            (110, "ETIMEDOUT"),
            (113, "EHOSTUNREACH"),
        ];
        for (number, name) in known {
            for signed in [number, -number] {
                assert_eq!(Errno::of_number(signed).map(Errno::name), Some(name));
            }
        }
        for unknown in [0, 512, i32::MIN] {
            assert_eq!(Errno::of_number(unknown), None);
        }
    }
}
