//! The binary: everything is in the library.

use std::process::ExitCode;

use tcptrace::session::out_of_memory::ExitingAllocator;

#[global_allocator]
static ALLOCATOR: ExitingAllocator = ExitingAllocator;

fn main() -> ExitCode {
    tcptrace::cli::run(std::env::args_os()).into()
}
