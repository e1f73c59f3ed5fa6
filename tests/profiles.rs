//! Profiles of real programs: the right sums at the right lines, and Go's own `pprof` shows them. Go is looked for in the
//! variable `GO`, then in the path; without it the tests that need it say so and check nothing.

#[path = "profiles/contention.rs"]
mod contention;
#[path = "profiles/look.rs"]
mod look;
#[path = "profiles/pprof.rs"]
mod pprof;
