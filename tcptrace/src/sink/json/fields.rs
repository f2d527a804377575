//! Fields appended to an open object. The key, with comma, quotes and colon, comes whole: it is
//! known when compiling, and inlined it is a copy of known length instead of a call.

use std::sync::Arc;

use super::escape::put_string;
use super::known::Known;
use crate::model::incident::{Linger, Queue};
use crate::model::{Endpoint, Flow, Named, Owner, Put};
use crate::sink::flows::Flows;
use crate::sink::put;

/// An object that has its opening brace.
pub(super) struct Object<'a> {
    pub(super) out: &'a mut Vec<u8>,
    pub(super) known: &'a mut Known,
    pub(super) flows: &'a mut Flows,
}

impl Object<'_> {
    /// A field, whatever it holds.
    #[inline(always)]
    pub(super) fn field(&mut self, key: &'static str, value: &impl Value) {
        self.out.extend_from_slice(key.as_bytes());
        value.append(self);
    }

    /// `,"netns":...,"remote":...`
    #[inline]
    pub(super) fn flow(&mut self, flow: &Flow) {
        let Self { out, flows, .. } = self;
        out.extend_from_slice(flows.text(flow, put_flow));
    }
}

impl<T: Value> Put<T> for Object<'_> {
    #[inline(always)]
    fn put(&mut self, key: &'static str, value: &T) {
        self.field(key, value);
    }
}

/// What a field of an incident may hold.
pub(super) trait Value {
    /// Appends it.
    fn append(&self, object: &mut Object<'_>);
}

macro_rules! numbers {
    ($($number:ty)*) => {
        $(impl Value for $number {
            #[inline(always)]
            fn append(&self, object: &mut Object<'_>) {
                put::number(object.out, *self);
            }
        })*
    };
}
numbers!(u32 u64 i32);

impl Value for bool {
    #[inline(always)]
    fn append(&self, object: &mut Object<'_>) {
        let text: &[u8] = if *self { b"true" } else { b"false" };
        object.out.extend_from_slice(text);
    }
}

/// Names of our own need no escaping.
impl<T: Named> Value for T {
    #[inline(always)]
    fn append(&self, object: &mut Object<'_>) {
        put_name(object.out, self.name());
    }
}

impl Value for Arc<str> {
    #[inline(always)]
    fn append(&self, object: &mut Object<'_>) {
        put_string(object.out, self);
    }
}

impl Value for Linger {
    #[inline(always)]
    fn append(&self, object: &mut Object<'_>) {
        object.field("{\"on\":", &self.on);
        object.field(",\"seconds\":", &self.seconds);
        object.out.push(b'}');
    }
}

impl Value for Queue {
    #[inline(always)]
    fn append(&self, object: &mut Object<'_>) {
        object.field("{\"length\":", &self.length);
        object.field(",\"limit\":", &self.limit);
        object.out.push(b'}');
    }
}

/// `None` is null, but for an owner.
impl<T: Value> Value for Option<T> {
    #[inline(always)]
    fn append(&self, object: &mut Object<'_>) {
        match self {
            Some(value) => value.append(object),
            None => object.out.extend_from_slice(b"null"),
        }
    }
}

/// One that is not known is an object too.
impl Value for Option<Owner> {
    #[inline]
    fn append(&self, object: &mut Object<'_>) {
        let Object { out, known, .. } = object;
        out.extend_from_slice(known.text(self.as_ref()));
    }
}

#[inline(always)]
pub(super) fn put_name(out: &mut Vec<u8>, name: &'static str) {
    out.push(b'"');
    put::text(out, name);
    out.push(b'"');
}

fn put_number(out: &mut Vec<u8>, key: &str, value: Option<impl put::Number>) {
    out.extend_from_slice(key.as_bytes());
    match value {
        Some(value) => put::number(out, value),
        None => out.extend_from_slice(b"null"),
    }
}

fn put_endpoint(out: &mut Vec<u8>, key: &str, value: Option<Endpoint>) {
    out.extend_from_slice(key.as_bytes());
    match value {
        Some(end) => {
            out.extend_from_slice(b"{\"addr\":\"");
            put::address(out, end.addr);
            put_number(out, "\",\"port\":", Some(end.port));
            out.push(b'}');
        }
        None => out.extend_from_slice(b"null"),
    }
}

fn put_flow(out: &mut Vec<u8>, flow: &Flow) {
    put_number(out, ",\"netns\":", flow.netns);
    put_number(out, ",\"cookie\":", flow.cookie);
    out.extend_from_slice(b",\"family\":");
    put_name(out, flow.family.name());
    match flow.unbound {
        // Its port is not chosen yet.
        Some(addr) => {
            out.extend_from_slice(b",\"local\":{\"addr\":\"");
            put::address(out, addr);
            out.extend_from_slice(b"\",\"port\":null}");
        }
        None => put_endpoint(out, ",\"local\":", flow.local),
    }
    put_endpoint(out, ",\"remote\":", flow.remote);
}
