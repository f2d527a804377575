//! Iterators, run once at start. aya has no macro for them: section and context by hand.

use crate::signal::snapshot;

/// `struct bpf_iter__task_file` (uapi-like, stable from 5.8 on): pointers are 8-byte slots.
#[repr(C)]
struct TaskFile {
    meta: *const u8,
    task: *const u8,
    fd: u64,
    file: *const u8,
}

/// `bpf_iter_task_file(struct bpf_iter_meta *, struct task_struct *, u32, struct file *)`
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task_file")]
fn task_file(ctx: *const TaskFile) -> i32 {
    // SAFETY: the kernel passes this context; the verifier checks the slots.
    let (task, file) = unsafe { ((*ctx).task, (*ctx).file) };
    snapshot::on_task_file(task, file);
    0
}
