//! Questions in SQL for `trace_processor`, about what the format says.
//!
//! What it is not: our own reader. A test holds that the tracks, categories and arguments they name are written.

use crate::diag::trace::value::Trace;

impl Trace {
    /// Questions to begin with, for the SQL window of <https://ui.perfetto.dev> or for `trace_processor -q`: what each is about, and the
    /// query. Times are in milliseconds; what goes on at the end counts until then.
    ///
    /// ```
    /// for (about, query) in gochan::diag::trace::Trace::PERFETTO_QUERIES {
    ///     println!("-- {about}\n{query}\n");
    /// }
    /// ```
    pub const PERFETTO_QUERIES: &[(&str, &str)] = &[
        (
            "what tasks have waited for, and where, longest first",
            "SELECT name AS reason, EXTRACT_ARG(arg_set_id, 'debug.object') AS object,
  EXTRACT_ARG(arg_set_id, 'debug.at') AS place, COUNT(*) AS waits,
  SUM(IIF(dur < 0, trace_end() - ts, dur)) / 1e6 AS total, MAX(IIF(dur < 0, trace_end() - ts, dur)) / 1e6 AS longest
FROM slice WHERE category = 'wait' GROUP BY 1, 2, 3 ORDER BY total DESC LIMIT 20;",
        ),
        (
            "who held locks that others waited for, and where they were acquired",
            "SELECT EXTRACT_ARG(arg_set_id, 'debug.object') AS lock, name AS holder,
  EXTRACT_ARG(arg_set_id, 'debug.acquired') AS place, COUNT(*) AS holds,
  SUM(IIF(dur < 0, trace_end() - ts, dur)) / 1e6 AS total
FROM slice WHERE category = 'hold' GROUP BY 1, 2, 3 ORDER BY total DESC LIMIT 20;",
        ),
        (
            "which tasks have waited for a worker, longest first",
            "SELECT track.name AS task, COUNT(*) AS times, SUM(dur) / 1e6 AS total, MAX(dur) / 1e6 AS longest
FROM slice JOIN track ON slice.track_id = track.id
WHERE category = 'task' AND slice.name = 'runnable' AND dur >= 0 GROUP BY track.id ORDER BY longest DESC LIMIT 20;",
        ),
        (
            "the longest polls, by function",
            "SELECT name AS function, COUNT(*) AS polls, SUM(dur) / 1e6 AS total, MAX(dur) / 1e6 AS longest
FROM slice WHERE category = 'poll' AND dur >= 0 GROUP BY name ORDER BY longest DESC LIMIT 20;",
        ),
        (
            "who wakes whom",
            "SELECT EXTRACT_ARG(wake.arg_set_id, 'debug.by') AS waker, EXTRACT_ARG(poll.arg_set_id, 'debug.task') AS wakee,
  COUNT(*) AS times, AVG(poll.ts - wake.ts) / 1e6 AS delay
FROM flow JOIN slice wake ON flow.slice_out = wake.id JOIN slice poll ON flow.slice_in = poll.id
WHERE wake.name = 'wake' GROUP BY 1, 2 ORDER BY times DESC LIMIT 20;",
        ),
        (
            "the most tasks that waited at a time, by reason",
            "SELECT track.name AS reason, MAX(value) AS tasks
FROM counter JOIN track ON counter.track_id = track.id
WHERE track.name GLOB 'waiting: *' GROUP BY track.id ORDER BY tasks DESC;",
        ),
    ];
}
