//! Time: sleeping, deadlines, timers and tickers.
// Inside: `heap` orders deadlines, `driver` is the timers of one runtime, `current` says whose driver serves a thread.
//
// An executor calls `driver` and `enter`; operations call `current::register`.

mod current;
mod driver;
mod heap;

pub(crate) use current::{Enter, enter, set_default_provider};
pub(crate) use driver::Driver;
