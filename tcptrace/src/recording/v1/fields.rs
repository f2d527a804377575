//! How a field of the model is written, and read back.

use serde::{Deserialize, Serialize};

use super::Malformed;
use crate::model::Owner;
use crate::model::incident::Queue;

pub(super) type QueueForm = (u32, u32);

/// See [`OwnerForm::basis`].
pub(super) const STALE: u8 = 1 << 7;

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct OwnerForm {
    pub(super) process: u32,
    /// With [`STALE`], which early recordings do not have, of an owner that is only the last user.
    pub(super) basis: u8,
    pub(super) shared_by: Option<u32>,
    pub(super) tid: Option<u32>,
}

/// Gives an owner its form: its process gets a number.
pub(super) type Owners<'a> = &'a mut dyn FnMut(&Owner) -> OwnerForm;
/// Finds the owner of a form.
pub(super) type Found<'a> = &'a dyn Fn(OwnerForm) -> Result<Owner, Malformed>;

/// A field that is written as `F`.
pub(super) trait Frozen<F>: Sized {
    fn freeze(&self, owner: Owners<'_>) -> F;

    fn thaw(form: F, owner: Found<'_>) -> Result<Self, Malformed>;
}

/// Written as they are.
macro_rules! plain {
    ($($field:ty),*) => {
        $(impl Frozen<Self> for $field {
            #[inline]
            fn freeze(&self, _: Owners<'_>) -> Self {
                *self
            }

            fn thaw(form: Self, _: Found<'_>) -> Result<Self, Malformed> {
                Ok(form)
            }
        })*
    };
}

plain!(
    bool,
    u8,
    u32,
    u64,
    i32,
    Option<u32>,
    Option<u64>,
    Option<i32>
);

impl Frozen<Option<QueueForm>> for Option<Queue> {
    fn freeze(&self, _: Owners<'_>) -> Option<QueueForm> {
        self.map(queue_form)
    }

    fn thaw(form: Option<QueueForm>, _: Found<'_>) -> Result<Self, Malformed> {
        Ok(form.map(queue))
    }
}

impl Frozen<Option<OwnerForm>> for Option<Owner> {
    fn freeze(&self, owner: Owners<'_>) -> Option<OwnerForm> {
        self.as_ref().map(owner)
    }

    fn thaw(form: Option<OwnerForm>, owner: Found<'_>) -> Result<Self, Malformed> {
        form.map(owner).transpose()
    }
}

pub(super) const fn queue_form(queue: Queue) -> QueueForm {
    (queue.length, queue.limit)
}

pub(super) const fn queue((length, limit): QueueForm) -> Queue {
    Queue { length, limit }
}
