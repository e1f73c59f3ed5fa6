//! Guards that are given back by a call, which has a line; a drop has none.

/// Gives a type of guards the function `unlock`.
macro_rules! unlock {
    ($(#[$doc:meta])* [$($gen:tt)*] $guard:ty) => {
        impl<$($gen)*> $guard {
            /// Gives it back, as a drop does, and says in which line: the profile `mutex` charges what others have waited for
            /// this guard to the line of this call.
            $(#[$doc])*
            #[track_caller]
            #[inline]
            pub fn unlock(this: Self) {
                let site = std::panic::Location::caller();
                crate::hook::holder::released_at(site, move || drop(this));
            }
        }
    };
}

pub(super) use unlock;
