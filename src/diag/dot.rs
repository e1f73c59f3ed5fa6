//! The waits-for graph of a dump, for Graphviz: who waits points at what it waits for, and that at who holds it.
//!
//! What it is not: a graph of all tasks. Who neither waits for something nor holds what is waited for is left out, and many
//! who wait alike and hold nothing are one node.

use std::collections::{HashMap, HashSet};
use std::fmt::{self, Display, Formatter};
use std::io;

use super::group::{Alike, first_object};
use super::text::streamed;
use super::words::{At, Time, Who, crowd};
use super::{Dump, Holder, Object, TaskInfo, Wait};
use crate::hook::{Kind, ObjId};

/// More than this many alike are one node.
const FOLD: usize = 8;

impl Dump {
    /// The waits-for graph in Graphviz's language: `dot -Tsvg`.
    ///
    /// A box is a task or a thread, an ellipse something that is waited for. A solid arrow goes from who waits to what it waits
    /// for, a dashed one from there to who holds it: what is in a circle of arrows waits for itself.
    ///
    /// # Examples
    ///
    /// ```
    /// gochan::run(async {
    ///     let (tx, rx) = gochan::chan::<u8>(0);
    ///     let stuck = gochan::go(async move { rx.recv().await });
    ///     gochan::yield_now().await;
    ///     let graph = gochan::diag::dump().to_dot();
    ///     assert!(graph.starts_with("digraph gochan {"));
    ///     # drop(tx);
    ///     # let _ = stuck.await;
    /// });
    /// ```
    pub fn to_dot(&self) -> String {
        Graph::new(self).to_string()
    }

    /// Writes what [`to_dot`](Dump::to_dot) gives, piece by piece.
    ///
    /// ```
    /// gochan::diag::dump().write_dot(&mut std::io::stdout()).unwrap();
    /// ```
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_dot<W: io::Write + ?Sized>(&self, out: &mut W) -> io::Result<()> {
        let graph = Graph::new(self);
        streamed(out, |out| write!(out, "{graph}"))
    }
}

struct Graph<'a> {
    dump: &'a Dump,
    /// Those who hold what is waited for, or are waited for themselves.
    holders: HashSet<ObjId>,
    /// Those who wait alike and hold nothing, longest waits first.
    alike: HashMap<Alike, Vec<&'a TaskInfo>>,
}

impl<'a> Graph<'a> {
    fn new(dump: &'a Dump) -> Self {
        let waited_for = dump.objects.iter().filter(|object| object.waiters > 0);
        let mut holders: HashSet<_> = waited_for
            .flat_map(|object| object.holders.iter().map(|holder| holder.id))
            .collect();
        let waits = || {
            dump.tasks
                .iter()
                .filter_map(|task| Some((task, task.wait.as_ref()?)))
        };
        let joined = |(_, wait): (_, &Wait)| Some(first_object(wait)?.id);
        holders.extend(
            waits()
                .filter_map(joined)
                .filter(|id| id.kind() == Kind::Task),
        );
        let mut alike: HashMap<_, Vec<_>> = HashMap::new();
        for (task, wait) in waits().filter(|(task, _)| !holders.contains(&task.id)) {
            alike.entry(Alike::of(wait)).or_default().push(task);
        }
        Graph {
            dump,
            holders,
            alike,
        }
    }

    /// The crowd that the task is in, if it is told as one.
    fn crowd(&self, task: &TaskInfo) -> Option<&[&'a TaskInfo]> {
        let wait = task.wait.as_ref()?;
        let crowd = self.alike.get(&Alike::of(wait))?;
        (crowd.len() > FOLD && !self.holders.contains(&task.id)).then_some(crowd)
    }

    fn task(&self, task: &TaskInfo, f: &mut Formatter<'_>) -> fmt::Result {
        let waits = task
            .wait
            .as_ref()
            .is_some_and(|wait| first_object(wait).is_some());
        if !waits && !self.holders.contains(&task.id) {
            return Ok(());
        }
        let label = match self.crowd(task) {
            // Told at the first of them.
            Some([first, ..]) if first.id != task.id => return Ok(()),
            Some(crowd) => label_of_many(crowd),
            None => label(task),
        };
        writeln!(
            f,
            "  {} [shape=box, label={}];",
            Node(task.id),
            Quoted(&label)
        )?;
        match &task.wait {
            Some(wait) => waits_for(task, wait, f),
            None => Ok(()),
        }
    }
}

fn label(task: &TaskInfo) -> String {
    let who = Who(task.id, task.name.as_deref());
    match &task.wait {
        Some(wait) => format!("{who}\n{}, {}", wait.reason, Time(wait.waited_ns)),
        None => format!("{who}\n{}", task.state.as_str()),
    }
}

fn label_of_many(all: &[&TaskInfo]) -> String {
    let threads = all.iter().filter(|task| task.is_thread()).count();
    let first = all[0].wait.as_ref();
    let reason = first.map_or("", |wait| wait.reason.as_str());
    format!(
        "{}\n{reason}, up to {}",
        crowd(all.len(), threads),
        Time(all[0].waited())
    )
}

/// The arrows to what it waits for: of a select one for each of its first arms.
fn waits_for(task: &TaskInfo, wait: &Wait, f: &mut Formatter<'_>) -> fmt::Result {
    let whole = wait.object.iter().map(|object| (object, wait.site));
    let arms = wait.arms.iter();
    let arms = arms.filter_map(|arm| Some((arm.object.as_ref()?, arm.site)));
    for (object, site) in whole.chain(arms) {
        let place = site.map_or(String::new(), |site| At(site).to_string());
        let (from, to) = (Node(task.id), Node(object.id));
        writeln!(f, "  {from} -> {to} [label={}];", Quoted(&place))?;
    }
    Ok(())
}

impl Display for Graph<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "digraph gochan {{\n  rankdir=LR;")?;
        self.dump
            .tasks
            .iter()
            .try_for_each(|task| self.task(task, f))?;
        let objects = &self.dump.objects;
        let waited_for = objects.iter().filter(|object| object.waiters > 0);
        waited_for
            .into_iter()
            .try_for_each(|object| self.object(object, f))?;
        writeln!(f, "}}")
    }
}

impl Graph<'_> {
    fn object(&self, object: &Object, f: &mut Formatter<'_>) -> fmt::Result {
        let mut label = Who(object.id, object.name.as_deref()).to_string();
        if let Some(made) = object.made {
            label = format!("{label}\n{}", At(made));
        }
        writeln!(f, "  {} [label={}];", Node(object.id), Quoted(&label))?;
        for holder in object.holders.iter().filter(|holder| !holder.id.is_none()) {
            held_by(object, holder, f)?;
        }
        Ok(())
    }
}

fn held_by(object: &Object, holder: &Holder, f: &mut Formatter<'_>) -> fmt::Result {
    let mut label = format!("held {}", Time(holder.held_ns));
    if let Some(site) = holder.site {
        label = format!("{label}\n{}", At(site));
    }
    let (from, to) = (Node(object.id), Node(holder.id));
    writeln!(
        f,
        "  {from} -> {to} [style=dashed, label={}];",
        Quoted(&label)
    )
}

/// `"mutex#7"`
struct Node(ObjId);

impl Display for Node {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

/// A string in Graphviz's language.
struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let escaped = self.0.replace('\\', "\\\\").replace('"', "\\\"");
        write!(f, "\"{}\"", escaped.replace('\n', "\\n"))
    }
}

#[cfg(test)]
mod tests;
