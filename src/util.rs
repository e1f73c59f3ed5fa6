//! Small tools that know nothing of the house: random numbers for select and stealing, a future whose panics are caught.

pub(crate) mod rng {
    //! A thread's own generator of random numbers (wyrand), seeded from the system's entropy. Not for secrets.

    use std::cell::Cell;

    use crate::shim::{entropy, thread_local};

    thread_local! {
        static STATE: Cell<u64> = const { Cell::new(0) };
    }

    /// 64 random bits.
    #[inline(always)]
    pub(crate) fn next() -> u64 {
        STATE.with(|state| {
            let old = state.get();
            let old = if old == 0 { entropy() | 1 } else { old };
            let new = old.wrapping_add(0xA076_1D64_78BD_642F);
            state.set(new);
            let product = u128::from(new) * u128::from(new ^ 0xE703_7ED1_A0B4_28DB);
            (product >> 64) as u64 ^ product as u64
        })
    }

    /// A number below `n`, each with a probability of one in `n`, but for 2^-32.
    #[inline(always)]
    pub(crate) fn below(n: u32) -> u32 {
        (((next() >> 32) * u64::from(n)) >> 32) as u32
    }
}

/// Says something on stderr. That nobody hears it (a closed pipe) is no reason to panic, as `eprint!` does.
#[cfg(feature = "rt")]
pub(crate) fn tell(what: std::fmt::Arguments<'_>) {
    use std::io::Write;
    let _ = std::io::stderr().lock().write_fmt(what);
}

pub(crate) use catch::CatchUnwind;

mod catch {
    use std::any::Any;
    use std::future::Future;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use pin_project_lite::pin_project;

    pin_project! {
        /// A future whose panic is its output. It must not be polled again then.
        pub(crate) struct CatchUnwind<F> {
            #[pin]
            future: F,
        }
    }

    impl<F> CatchUnwind<F> {
        pub(crate) fn new(future: F) -> Self {
            CatchUnwind { future }
        }
    }

    impl<F: Future> Future for CatchUnwind<F> {
        type Output = Result<F::Output, Box<dyn Any + Send>>;

        fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
            let future = self.project().future;
            match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
                Ok(Poll::Pending) => Poll::Pending,
                Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
                Err(panic) => Poll::Ready(Err(panic)),
            }
        }
    }
}
