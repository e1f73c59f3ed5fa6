//! The deadline of a context: a timer that cancels it.
//!
//! What it is not: an owner. The timer has a weak pointer, so a context that everybody has dropped goes at once, and its
//! timer with it; the node has the timer's place with the driver.

use std::sync::Arc;
use std::time::Instant;

use super::cancel::cancel;
use super::state::End;
use super::tree::{Node, Ref, Site, Weak};
use crate::error::Cause;
use crate::time::{Action, Fire, register};

/// What the driver calls at the deadline.
struct Bell {
    node: Arc<Weak>,
    cause: Option<Cause>,
    /// The line that set the deadline.
    site: Site,
}

/// A node below `parent` that ends at `deadline`.
pub(super) fn node(
    parent: Option<&Ref>,
    deadline: Instant,
    cause: Option<Cause>,
    site: Site,
) -> (Ref, Ref) {
    if deadline <= crate::time::now() {
        let pair = Node::below(parent, Some(deadline), None, site);
        cancel(&pair.0, End::EXCEEDED, cause, site);
        return pair;
    }
    let weak = Arc::new(Weak::default());
    let pair = Node::below(parent, Some(deadline), Some(Arc::clone(&weak)), site);
    if pair.0.state.is_live() {
        let node = weak;
        Arc::new(Bell { node, cause, site }).arm(&pair.0, deadline);
    }
    pair
}

impl Bell {
    fn arm(self: Arc<Self>, node: &Ref, due: Instant) {
        let timer = register(due, Action::Fire(self));
        let mut inner = node.object.lock();
        // It may have gone off already, or somebody else may have been faster.
        let idle = match node.state.is_live() {
            true => inner.extra.get_or_insert_default().timer.replace(timer),
            false => Some(timer),
        };
        drop(inner);
        drop(idle);
    }
}

impl Fire for Bell {
    fn fire(self: Arc<Self>, due: Instant, now: Instant) {
        let Some(node) = self.node.upgrade() else {
            return;
        };
        if now < due {
            return self.arm(&node, due); // The driver is shut.
        }
        cancel(&node, End::EXCEEDED, self.cause.clone(), self.site);
    }
}
