//! An allocator that counts what each thread does. A file that wants it says `#[global_allocator]` itself.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};

/// The system's allocator, with counts beside it.
pub(crate) struct Counting;

/// Bytes that all threads together hold.
static HELD: AtomicIsize = AtomicIsize::new(0);
/// Calls of all threads together.
static ALL_CALLS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    // Const and without a destructor: no allocation when it is first touched, usable while a thread ends.
    static CALLS: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<isize> = const { Cell::new(0) };
}

fn note(bytes: isize) {
    HELD.fetch_add(bytes, Ordering::Relaxed);
    BYTES.with(|n| n.set(n.get() + bytes));
    if bytes > 0 {
        ALL_CALLS.fetch_add(1, Ordering::Relaxed);
        CALLS.with(|n| n.set(n.get() + 1));
    }
}

// SAFETY: every call goes to `System` unchanged; the counts are beside the memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size() as isize);
        // SAFETY: by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        note(-(layout.size() as isize));
        // SAFETY: by the caller.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(-(layout.size() as isize));
        note(size as isize);
        // SAFETY: by the caller.
        unsafe { System.realloc(ptr, layout, size) }
    }
}

/// How many times this thread asked for memory.
pub(crate) fn calls() -> usize {
    CALLS.with(Cell::get)
}

/// Bytes this thread asked for, less those it gave back.
pub(crate) fn bytes() -> isize {
    BYTES.with(Cell::get)
}

/// Bytes that the whole process holds.
pub(crate) fn held() -> isize {
    HELD.load(Ordering::Relaxed)
}

/// How many times the whole process asked for memory.
pub(crate) fn all_calls() -> usize {
    ALL_CALLS.load(Ordering::Relaxed)
}
