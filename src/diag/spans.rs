//! The spans of the `tracing` crate as regions of tasks, and its events as lines of the recording.
//!
//! What it is not: a subscriber. It is a layer of one, beside whatever else listens.
//!
//! ```text
//! span        the region
//! entered     begins, if the span is in none of this task yet
//! left        goes on: a future leaves its span with every Pending, and is in it all the same
//! closed      ends
//! ```
//!
//! 1. A span has at most one region at a time, which lies in the span's extensions and is of the task that entered it last.
//! 2. Regions and labels are made under the lock of those extensions, and run nothing foreign.

use std::fmt;

use tracing_core::field::{Field, Visit};
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::region::{Region, label};
use super::trace;
use crate::hook::current;

/// A layer for `tracing-subscriber` that shows the spans of the [`tracing`](https://docs.rs/tracing) crate as regions of the tasks that
/// are in them: in dumps, in profiles and in recordings, as those of [`region!`](crate::diag::region).
///
/// A region begins when a task enters the span and ends when the span is closed, also while the task waits: a future that is
/// instrumented leaves its span each time it has to wait. Outside of tasks it is a region of the thread. If another task enters the
/// same span, the region is that one's from then on. Where the span was made is not shown, for `tracing` does not tell it in a
/// form that lives on.
///
/// Events of `tracing` are lines of the recording, as those of [`log`](crate::diag::log()), with their target as the category; while
/// nothing is recorded, they are not formatted.
///
/// Fields that are named in [`label`](Spans::label) become labels of the tasks.
///
/// # Examples
///
/// ```
/// use gochan::diag::{self, Spans};
/// use tracing::Instrument as _;
/// use tracing_subscriber::layer::SubscriberExt as _;
///
/// let subscriber = tracing_subscriber::registry().with(Spans::new().label("tenant"));
/// tracing::subscriber::set_global_default(subscriber)?;
///
/// gochan::run(async {
///     let request = async {
///         let me = gochan::task::current().unwrap().id();
///         let dump = diag::dump();
///         let task = dump.task(me).unwrap();
///         assert_eq!(task.regions[0].name, "request");
///         assert_eq!(&*task.labels[0].1, "eu");
///     };
///     request.instrument(tracing::info_span!("request", tenant = "eu")).await;
/// });
/// # Ok::<(), tracing::subscriber::SetGlobalDefaultError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Spans {
    labels: Vec<&'static str>,
}

impl Spans {
    /// The layer, without labels.
    pub fn new() -> Spans {
        Spans::default()
    }

    /// Makes the field of this name a label of each task that enters a span that has it. A label costs an allocation or two and stays until
    /// the task ends.
    #[must_use]
    pub fn label(mut self, field: &'static str) -> Spans {
        self.labels.push(field);
        self
    }
}

/// What we keep in a span.
#[derive(Default)]
struct Known {
    region: Option<Region>,
    labels: Vec<(&'static str, String)>,
}

impl Known {
    /// What the label was before is not kept.
    fn put(&mut self, key: &'static str, value: String) {
        match self.labels.iter_mut().find(|label| label.0 == key) {
            Some(label) => label.1 = value,
            None => self.labels.push((key, value)),
        }
    }

    fn put_all(&mut self, new: Known) {
        let labels = new.labels.into_iter();
        labels.for_each(|(key, value)| self.put(key, value));
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut new = Known::default();
        attributes.record(&mut Labels(&self.labels, &mut new));
        let Some(span) = context.span(id) else { return };
        let mut extensions = span.extensions_mut();
        match extensions.get_mut::<Known>() {
            // Another such layer was here before.
            Some(known) => known.put_all(new),
            None => extensions.insert(new),
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        // The values are foreign code, and may log: they are read before anything is locked.
        let mut new = Known::default();
        values.record(&mut Labels(&self.labels, &mut new));
        let Some(span) = context.span(id) else { return };
        if let Some(known) = span.extensions_mut().get_mut::<Known>() {
            if known.region.as_ref().is_some_and(is_here) {
                set(&new.labels);
            }
            known.put_all(new);
        }
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(known) = span.extensions_mut().get_mut::<Known>()
            && !known.region.as_ref().is_some_and(is_here)
        {
            // That of another task ends first.
            known.region = None;
            known.region = Some(Region::nowhere(span.metadata().name()));
            set(&known.labels);
        }
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        trace::log(event.metadata().target(), Said(event));
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        if let Some(span) = context.span(&id) {
            span.extensions_mut().remove::<Known>();
        }
    }
}

/// Whether it is a region of whoever runs here.
fn is_here(region: &Region) -> bool {
    let here = current::record_or_thread().map(|record| record.id());
    here == Some(region.task())
}

fn set(labels: &[(&'static str, String)]) {
    labels.iter().for_each(|(key, value)| label(key, value));
}

/// Takes the fields that are to be labels.
struct Labels<'a>(&'a [&'static str], &'a mut Known);

impl Visit for Labels<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if self.0.contains(&field.name()) {
            self.1.put(field.name(), value.to_owned());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if self.0.contains(&field.name()) {
            self.record_str(field, &format!("{value:?}"));
        }
    }
}

/// `order paid id=17`
struct Said<'a>(&'a Event<'a>);

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = Line {
            out: f,
            empty: true,
            result: Ok(()),
        };
        self.0.record(&mut line);
        line.result
    }
}

struct Line<'a, 'f> {
    out: &'a mut fmt::Formatter<'f>,
    empty: bool,
    result: fmt::Result,
}

impl Visit for Line<'_, '_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let space = if self.empty { "" } else { " " };
        self.empty = false;
        self.result = self.result.and_then(|()| match field.name() {
            "message" => write!(self.out, "{space}{value:?}"),
            name => write!(self.out, "{space}{name}={value:?}"),
        });
    }
}
