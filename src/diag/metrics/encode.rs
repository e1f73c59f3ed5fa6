//! How numbers are written down: a family at a time, with its labels.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use crate::diag::latency::Latency;

/// Labels of one number.
type Labels<'a> = Vec<(&'a str, &'a str)>;

/// Where numbers go.
pub(super) struct Numbers<'a>(pub(super) DescriptorEncoder<'a>);

impl Numbers<'_> {
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        let gauge = MetricType::Gauge;
        let mut out = self.0.encode_descriptor(name, help, None, gauge)?;
        out.encode_gauge(&value)
    }

    /// One for each set of labels; no family without any.
    pub(super) fn gauges<'a>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (Labels<'a>, f64)>,
    ) -> fmt::Result {
        let mut values = values.into_iter().peekable();
        if values.peek().is_none() {
            return Ok(());
        }
        let gauge = MetricType::Gauge;
        let mut out = self.0.encode_descriptor(name, help, None, gauge)?;
        for (labels, value) in values {
            out.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    /// As [`gauges`](Self::gauges). The names get the ending `_total`.
    pub(super) fn counters<'a>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (Labels<'a>, f64)>,
    ) -> fmt::Result {
        let mut values = values.into_iter().peekable();
        if values.peek().is_none() {
            return Ok(());
        }
        let counter = MetricType::Counter;
        let mut out = self.0.encode_descriptor(name, help, None, counter)?;
        for (labels, value) in values {
            let mut out = out.encode_family(&labels)?;
            out.encode_counter::<NoLabelSet, _, f64>(&value, None)?;
        }
        Ok(())
    }

    /// With a bucket for each power of two, up to the largest one that has something in it.
    pub(super) fn histogram(&mut self, name: &str, help: &str, of: &Latency) -> fmt::Result {
        let histogram = MetricType::Histogram;
        let mut out = self.0.encode_descriptor(name, help, None, histogram)?;
        let buckets = octaves(of);
        let (sum, count) = (of.total.as_secs_f64(), of.times.count());
        out.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }
}

/// How many took up to so many seconds and longer than the bucket before; the last bucket is without end.
fn octaves(of: &Latency) -> Vec<(f64, u64)> {
    let mut octaves: Vec<(f64, u64)> = Vec::new();
    for (times, count) in of.times.buckets() {
        let end = (times.end.as_nanos() as f64).log2().ceil().exp2() / 1e9;
        match octaves.last_mut() {
            Some(last) if last.0 == end => last.1 += count,
            _ => octaves.push((end, count)),
        }
    }
    octaves.push((f64::INFINITY, 0));
    octaves
}
