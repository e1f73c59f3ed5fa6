//! What only the inside shows of a select: turns among polled cases, and what must never claim to be alone.

use std::task::Waker;

use static_assertions::assert_not_impl_any;
use tokio_test::{assert_pending, assert_ready, task};

use super::*;
use crate::hook::ArmNote;
use crate::wait::polled::{Polled, PolledCase};
use crate::wait::waiter::Waiter;

// Peers point into them; `&mut` of a type that is Unpin says that nobody does.
assert_not_impl_any!(Waiter: Unpin);
assert_not_impl_any!(Core: Unpin);

/// A polled case that is ready from its n-th look on.
struct FromLook {
    looks: u32,
    ready_at: u32,
}

impl Polled for FromLook {
    type Output = ();
    fn note(&self) -> ArmNote {
        ArmNote::NIL
    }
    fn look(&mut self, _: &Waker) -> bool {
        self.looks += 1;
        self.looks >= self.ready_at
    }
    fn take(&mut self) {}
    fn retire(&mut self) {}
}

impl Arm for FromLook {
    type Output = ();
    type Case = PolledCase<FromLook>;
    fn into_case(self) -> Self::Case {
        PolledCase(self)
    }
}

/// Both become ready while the select is parked: neither is preferred.
#[test]
fn polled_cases_take_turns_after_a_wake() {
    let arm = || FromLook {
        looks: 0,
        ready_at: 2,
    };
    let winner = || {
        let mut select = task::spawn(select((arm(), arm())));
        assert_pending!(select.poll());
        assert_ready!(select.poll())
    };
    let second = (0..200).filter(|_| winner() == Sel2::B(())).count();
    // 100 on average; 30 is ten sigma away.
    assert!((30..=170).contains(&second), "{second} of 200");
}
