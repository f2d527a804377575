//! Any bytes as the kernel's type description: read or refused.

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

/// The first byte says whether a header is put before the rest.
pub fn run(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else {
        return;
    };
    // A real description begins with its magic: it is taken as it is.
    let bytes = match choice {
        0 => framed(rest),
        1 => rest.to_vec(),
        _ => data.to_vec(),
    };
    let Ok(btf) = Btf::parse(bytes) else { return };
    for name in ["a", "b", "c", "d", "sock", "tcp_sock", "tcp_send_reset"] {
        for path in ["a", "b", "a.b", "c.d.a", "__sk_common.skc_state"] {
            let _ = btf.field(name, path);
        }
        let _ = (btf.struct_size(name), btf.enum_values(name));
        let _ = (btf.function(name), btf.typedef_proto(name));
    }
    let _ = btf.variant_values(&["a", "b", "absent"]);
    let _ = ReasonNames::from_btf(&btf);
}
