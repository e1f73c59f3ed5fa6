//! The clock against `Instant`. Being switched out spoils single tries only, so the best of a few counts.

use super::*;

fn wait_out(d: Duration) {
    let begin = Instant::now();
    while begin.elapsed() < d {
        std::hint::spin_loop();
    }
}

#[test]
fn a_difference_of_ticks_is_the_time_that_passed() {
    ticks_to_ns(1);
    let off = (0..10)
        .map(|_| {
            let from = (ticks(), Instant::now());
            wait_out(Duration::from_millis(5));
            let to = (ticks(), Instant::now());
            let ours = ticks_to_ns(to.0 - from.0) as f64;
            let theirs = (to.1 - from.1).as_nanos() as f64;
            (ours / theirs - 1.0).abs()
        })
        .fold(f64::INFINITY, f64::min);
    assert!(off < 0.001, "off by {off}");
}

#[test]
fn ticks_never_run_backwards_on_one_thread() {
    let mut last = ticks();
    for _ in 0..100_000 {
        let now = ticks();
        assert!(now >= last);
        last = now;
    }
}

#[test]
fn overlong_and_negative_times_saturate() {
    assert_eq!(ticks_to_ns(0), 0);
    assert!(ticks_to_ns(u64::MAX) > 1 << 50);
    assert_eq!(ns_since(u64::MAX), 0);
}

#[test]
fn a_rate_between_equal_readings_is_one() {
    let at = Instant::now();
    let same = Reading { tick: 7, at };
    assert_eq!(rate_between(same, same), ONE);
    let earlier = Reading { tick: 3, at };
    assert_eq!(rate_between(same, earlier), ONE);
}

/// On a worker most stamps are what was read before; in a poll that nobody watches each is read.
#[test]
fn stamps_of_a_poll_that_nobody_watches_are_readings() {
    let _worker = skip_some();
    let reads = |stamps: u32| {
        let read = |_: &u32| {
            let before = match SOURCE.load(Relaxed) {
                COUNTER => counter(),
                _ => return true,
            };
            stamp() >= before
        };
        (0..stamps).filter(read).count()
    };
    ticks();
    assert!(reads(80) < 80 || SOURCE.load(Relaxed) != COUNTER);
    skip_none();
    assert_eq!(reads(80), 80);
    skip_again();
    assert!(reads(80) < 80 || SOURCE.load(Relaxed) != COUNTER);
}

#[test]
fn stamps_that_follow_closely_are_readings_less_often() {
    assert_eq!(stride(0), 0, "nobody skips");
    let skipping = skip_some();
    let closely: Vec<u8> = (0..5).map(|_| stride(FRESH - 1)).collect();
    assert_eq!(closely, [15, 31, 63, 63, 63]);
    assert_eq!(stride(FRESH), SKIPS);
    drop(skipping);
    assert_eq!(stride(0), 0);
}

#[test]
fn a_stamp_is_a_reading_after_as_many_as_are_skipped() {
    let _skipping = skip_some();
    RECENT.with(|recent| recent.set(u64::MAX / 2));
    stale();
    assert!(stamp() < u64::MAX / 2, "the first is a reading");
    // Nobody else looks at this thread's last reading.
    RECENT.with(|recent| recent.set(u64::MAX / 2));
    let left = LEFT.with(Cell::get);
    assert!(left >= SKIPS);
    for _ in 0..left {
        assert_eq!(stamp(), u64::MAX / 2);
    }
    assert!(stamp() < u64::MAX / 2);
}

#[test]
fn events_of_one_moment_share_a_reading() {
    let first = ticks();
    set_near();
    wait_out(Duration::from_micros(1));
    assert_eq!(near(), first);
    assert_eq!(near(), first);
    far();
    let second = near();
    assert!(second > first);
    set_near();
    stale();
    wait_out(Duration::from_micros(1));
    assert!(near() > second);
}
