//! Small tools that know nothing of the house: random numbers for select and stealing.

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
