//! What is written can be read: by somebody else's parser, and by eye.

use super::*;
use crate::sync::Histogram;
use openmetrics_parser::openmetrics::parse_openmetrics;

#[test]
fn somebody_elses_parser_reads_it() {
    let runtime = crate::rt::Runtime::builder().workers(2).build().unwrap();
    let stuck = runtime.go(crate::time::sleep(Duration::from_secs(3_600)));
    let _recording = latency::record();
    let text = runtime.block_on(async {
        crate::rt::go(async {}).await.unwrap();
        while !text().contains("reason=\"sleep\"") {
            crate::rt::yield_now().await;
        }
        text()
    });
    let read = parse_openmetrics(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    for (name, kind) in [
        ("gochan_tasks", "gauge"),
        ("gochan_oldest_wait_seconds", "gauge"),
        ("gochan_scheduling_latency_seconds", "histogram"),
        ("gochan_worker_polls", "counter"),
        ("gochan_timer_lateness_seconds", "histogram"),
    ] {
        let family = &read.families[name];
        let found = format!("{:?}", family.family_type);
        assert_eq!(found.to_lowercase(), kind, "{name}");
        assert!(!family.help.is_empty(), "{name}");
    }
    assert!(
        text.contains("gochan_worker_polls_total{worker=\"1\"}"),
        "{text}"
    );
    stuck.abort();
}

/// Buckets hold what they say, each once, and their sum is the count.
#[test]
fn a_histogram_has_a_bucket_for_each_octave() {
    let mut times = Histogram::new();
    let all = [900, 1_000, 1_024, 1_500, 5_000_000];
    all.into_iter().for_each(|ns| times.count_one(ns));
    let of = latency::Latency::of(times);
    let mut registry = Registry::default();
    #[derive(Debug)]
    struct One(latency::Latency);
    impl Collector for One {
        fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
            Numbers(encoder).histogram("one", "one", &self.0)
        }
    }
    registry.register_collector(Box::new(One(of)));
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    let buckets: Vec<_> = text
        .lines()
        .filter(|line| line.contains("_bucket"))
        .collect();
    let ends: Vec<_> = buckets
        .iter()
        .map(|line| line.rsplit(' ').next().unwrap())
        .collect();
    assert_eq!(ends, ["2", "4", "5", "5"], "{text}");
    assert!(text.contains("one_count 5"), "{text}");
    assert!(parse_openmetrics(&text).is_ok(), "{text}");
}
