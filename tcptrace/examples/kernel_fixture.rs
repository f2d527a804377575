//! Types of a kernel (its whole BTF) -> the fixture that the tests know this kernel by.
//!
//! ```sh
//! cargo run -p tcptrace --example kernel_fixture -- 6.1.192 vmlinux.btf "bookworm-security linux-image-6.1.0-56-cloud-amd64 6.1.192-2"
//! ```
//! Keeps what tcptrace asks a kernel for, and what the table of hooks quotes; run it again for
//! every kernel when either has changed (a test says so). The source stays if it is not given.
#![allow(
    clippy::print_stdout,
    reason = "an example prints on its terminal what it did"
)]

#[path = "../tests/fixture/kernels.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod fixtures;
#[path = "../tests/fixture/make.rs"]
mod make;
#[path = "../tests/quoted/mod.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod quoted;

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let said = match words.as_slice() {
        [release, file] => make::fixture(release, file, None)?,
        [release, file, source] => make::fixture(release, file, Some(source))?,
        _ => anyhow::bail!("usage: kernel_fixture RELEASE FILE [SOURCE]"),
    };
    println!("{said}");
    Ok(())
}
