//! What a wait for a list allocates.

use tokio_test::{assert_pending, task};

use super::super::fut;
use super::*;

/// Only room is taken over from one poll to the next, and all of it.
#[test]
fn an_empty_vector_keeps_its_memory() {
    let room: Vec<&'static mut u64> = Vec::with_capacity(7);
    let (at, room) = (room.as_ptr().addr(), recycle::<_, Box<u8>>(room));
    assert_eq!((room.as_ptr().addr(), room.capacity()), (at, 7));
}

/// A wait needs no memory that the one before did not need.
#[test]
fn the_room_is_kept() {
    let mut list = SelectList::new();
    list.extend((0..100).map(|_| fut(std::future::pending::<()>())));
    let room = |list: &SelectList<'_, ()>| {
        let room = &list.room;
        let cases = (room.cases.as_ptr().addr(), room.cases.capacity());
        (
            cases,
            room.order.as_ptr(),
            room.places.as_ptr(),
            room.looks.as_ptr(),
        )
    };
    assert_eq!(list.try_next(), None);
    let before = room(&list);
    assert!(before.0.1 >= 100);
    for _ in 0..50 {
        let mut next = task::spawn(list.next());
        assert_pending!(next.poll());
        assert_pending!(next.poll());
        drop(next);
        assert_eq!(room(&list), before);
    }
}
