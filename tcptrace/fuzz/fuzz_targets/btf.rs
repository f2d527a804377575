//! Any bytes as the kernel's type description: no panic, no endless work.
//!
//! `cargo fuzz run btf` with a nightly compiler, or the same without cargo-fuzz:
//! ```sh
//! export RUSTFLAGS="--cfg fuzzing -Zsanitizer=address -Ccodegen-units=1 -Cpasses=sancov-module \
//!   -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
//!   -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"
//! cargo +nightly run --release --target x86_64-unknown-linux-gnu --bin btf -- -max_total_time=60
//! ```

#![no_main]

use libfuzzer_sys::fuzz_target;
use tcptrace::kernel::btf::Btf;
use tcptrace::kernel::enums::ReasonNames;

/// Short, so that random name offsets often hit one.
const NAMES: &[u8] = b"\0a\0b\0c\0d\0long unsigned int\0skb_drop_reason\0";

/// A valid header around `types`, so that the fuzzer need not find one.
fn framed(types: &[u8]) -> Vec<u8> {
    let mut bytes = 0xeb9f_u16.to_ne_bytes().to_vec();
    bytes.extend([1, 0]);
    for word in [24, 0, types.len(), types.len(), NAMES.len()] {
        bytes.extend((word as u32).to_ne_bytes());
    }
    bytes.extend(types);
    bytes.extend(NAMES);
    bytes
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, data)) = data.split_first() else {
        return;
    };
    let bytes = if choice & 1 == 0 {
        framed(data)
    } else {
        data.to_vec()
    };
    let Ok(btf) = Btf::parse(bytes) else { return };
    for name in ["a", "b", "c", "d"] {
        for path in ["a", "b", "a.b", "c.d.a"] {
            let _ = btf.field(name, path);
        }
        let _ = (btf.struct_size(name), btf.enum_values(name));
        let _ = (btf.function(name), btf.typedef_proto(name));
    }
    let _ = btf.variant_values(&["a", "b", "absent"]);
    let _ = ReasonNames::from_btf(&btf);
});
