//! Any foreign future as an arm of a select.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::hook::{ArmNote, ObjId, WaitReason};
use crate::wait::case::{Arm, Case, Kind, RawCase};

/// Makes an arm of `select!` from any future.
///
/// Such an arm is dropped when it loses, as in any select of futures: what it had done by then is done. The law of this
/// crate's own arms, that a loser has had no effect, holds for it only as far as the future itself is cancel-safe.
///
/// ```
/// # gochan::block_on(async {
/// use gochan::{fut, never, select};
/// let rx = never::<()>();
/// let n = select! {
///     _ = rx.recv() => 0,
///     n = fut(async { 7 }) => n,
/// };
/// assert_eq!(n, 7);
/// # });
/// ```
#[track_caller]
pub fn fut<F: Future>(future: F) -> Fut<F> {
    Fut {
        future,
        out: None,
        site: Location::caller(),
    }
}

pin_project! {
    /// A foreign future as an arm, made by [`fut`](crate::fut).
    #[must_use = "an arm does nothing outside of a select"]
    pub struct Fut<F: Future> {
        #[pin]
        future: F,
        out: Option<F::Output>,
        site: &'static Location<'static>,
    }
}

impl<F: Future> Arm for Fut<F> {
    type Output = F::Output;
    type Case = Fut<F>;
    fn into_case(self) -> Fut<F> {
        self
    }
}

// SAFETY: never queued.
#[allow(unsafe_code)]
unsafe impl<F: Future> RawCase for Fut<F> {
    fn kind(&self) -> Kind {
        Kind::Polled { effectful: true }
    }

    fn arm_note(&self) -> ArmNote {
        ArmNote {
            reason: WaitReason::Foreign,
            object: ObjId::NONE,
            made: None,
            site: self.site,
        }
    }

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
        let this = self.project();
        if let Poll::Ready(out) = this.future.poll(cx) {
            *this.out = Some(out);
        }
        this.out.is_some()
    }
}

impl<F: Future> Case for Fut<F> {
    type Output = F::Output;
    fn take(self: Pin<&mut Self>) -> F::Output {
        self.project()
            .out
            .take()
            .expect("the winning case has an output")
    }
}

impl<F: Future> std::fmt::Debug for Fut<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fut")
            .field("site", &self.site)
            .finish_non_exhaustive()
    }
}
