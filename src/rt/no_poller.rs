//! The poller's place in a program without sockets (feature `net` is off): always empty.
//!
//! What it is not: a poller. There is none, and what is never there needs no code at its call.

use std::time::Duration;

use super::parker::Parker;
use crate::wait::wakes::Wakes;

/// Always empty.
pub(super) struct Place;

/// There is none.
pub(super) enum Poller {}

impl Place {
    pub(super) const fn new() -> Place {
        Place
    }

    #[inline(always)]
    pub(super) fn get(&self) -> Option<&Poller> {
        None
    }
}

impl Poller {
    pub(super) fn try_collect(&self, _wakes: &mut Wakes) {
        match *self {}
    }

    pub(super) fn sleep(
        &self,
        _parker: &Parker,
        _timeout: Option<Duration>,
        _wakes: &mut Wakes,
    ) -> bool {
        match *self {}
    }

    pub(super) fn shut(&self) {
        match *self {}
    }

    pub(super) fn is_due(&self) -> bool {
        match *self {}
    }

    pub(super) fn is_stale(&self) -> bool {
        match *self {}
    }
}
