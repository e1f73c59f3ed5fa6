//! The end of a task as an arm of a select.
//!
//! What it is not: an end of its own. A handle that loses is as it was; passed by value it is dropped, which detaches the
//! task.

use std::borrow::BorrowMut;
use std::marker::PhantomData;
use std::task::Waker;

use super::join::{JoinError, JoinHandle};
use crate::hook::ArmNote;
use crate::wait::case::Arm;
use crate::wait::polled::{Polled, PolledCase};

/// A handle in a select, owned or lent.
#[doc(hidden)]
#[derive(Debug)]
pub struct JoinArm<H, T>(H, PhantomData<fn() -> T>);

impl<H: BorrowMut<JoinHandle<T>>, T> Polled for JoinArm<H, T> {
    type Output = Result<T, JoinError>;

    fn note(&self) -> ArmNote {
        self.0.borrow().arm_note()
    }

    fn look(&mut self, waker: &Waker) -> bool {
        self.0.borrow_mut().joint.look(waker)
    }

    fn take(&mut self) -> Self::Output {
        self.0.borrow_mut().joint.take()
    }

    fn retire(&mut self) {
        self.0.borrow_mut().joint.retire();
    }
}

impl<T> Arm for JoinHandle<T> {
    type Output = Result<T, JoinError>;
    type Case = PolledCase<JoinArm<JoinHandle<T>, T>>;

    fn into_case(self) -> Self::Case {
        PolledCase(JoinArm(self, PhantomData))
    }
}

impl<'a, T> Arm for &'a mut JoinHandle<T> {
    type Output = Result<T, JoinError>;
    type Case = PolledCase<JoinArm<&'a mut JoinHandle<T>, T>>;

    fn into_case(self) -> Self::Case {
        PolledCase(JoinArm(self, PhantomData))
    }
}
