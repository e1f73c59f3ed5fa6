//! The values of a context: typed keys, and the list that a context shares with those above it.
//!
//! What it is not: a part of the tree. A value needs no node and no lock; a context is a node, perhaps, and a list, perhaps.
//!
//! Invariants
//! 1. A link never changes, so contexts share the rest of the list.
//! 2. The value of a link is of the type that its key says: links are made by [`Link::push`] only.
//! 3. The end of a long list does not recurse: see `drop`.

use std::any::{Any, TypeId};
use std::sync::Arc;

/// A key of [`Context::with_value`](super::Context::with_value): a type that says what the value's type is.
///
/// ```
/// use gochan::context::{Context, Key};
///
/// struct User;
/// impl Key for User {
///     type Value = String;
/// }
///
/// let ctx = Context::background().with_value::<User>("gopher".to_string());
/// assert_eq!(ctx.value::<User>().unwrap(), "gopher");
/// ```
pub trait Key: 'static {
    /// What is kept under this key.
    type Value: Send + Sync + 'static;
}

/// One value and those before it.
pub(super) struct Link {
    key: TypeId,
    value: Box<dyn Any + Send + Sync>,
    next: Option<Arc<Link>>,
}

impl Link {
    pub(super) fn push<K: Key>(value: K::Value, next: Option<Arc<Link>>) -> Arc<Link> {
        Arc::new(Link {
            key: TypeId::of::<K>(),
            value: Box::new(value),
            next,
        })
    }

    /// The youngest value of this key.
    pub(super) fn find<K: Key>(mut at: Option<&Arc<Link>>) -> Option<&K::Value> {
        let key = TypeId::of::<K>();
        while let Some(link) = at {
            if link.key == key {
                return link.value.downcast_ref();
            }
            at = link.next.as_ref();
        }
        None
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let mut next = self.next.take();
        // `into_inner` makes sure that of several who drop the last references at once one goes on here.
        while let Some(mut link) = next.and_then(Arc::into_inner) {
            next = link.next.take();
        }
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}
