//! Any bytes as a record of the ring: read or refused. What is read gets its meaning, which must not
//! panic either.

use tcptrace::decode::{decode, kind_of};
use tcptrace::interpret::Interpreter;
use tcptrace::model::Host;

/// Decodes `data` and interprets the event twice, the second time much later.
pub fn run(data: &[u8]) {
    let _ = kind_of(data);
    let Ok(mut event) = decode(data) else { return };
    let mut interpreter = Interpreter::new(Host {
        reset_reasons: vec![None, Some("TCP_STATE".into())],
        drop_reasons: vec![Some("TCP_RFC7323_PAWS".into())],
        hz: Some(250),
    });
    interpreter.on(event.clone(), &mut |_| {});
    event.boot_ns = event.boot_ns.wrapping_add(1 << 40);
    interpreter.on(event, &mut |_| {});
    interpreter.finish(&mut |_| {});
}
