//! The paragraph of one task or thread, and that of many who wait alike.

use std::fmt::{self, Display, Formatter};

use super::FOLD;
use crate::diag::words::{At, Count, Time, Who, crowd};
use crate::diag::{Again, Arm, Holder, Object, TaskInfo, Wait};
use crate::hook::{Kind, LongPoll, ObjId, object};

/// Holders of one thing that are named.
pub(super) const HOLDERS: usize = 4;

/// The paragraph of one task or thread, as in the whole dump.
impl Display for TaskInfo {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}", Who(self.id, self.name.as_deref()), word(self))?;
        if let Some(wait) = &self.wait {
            write!(f, ", {}", Time(wait.waited_ns))?;
        } else if let Some(poll) = &self.long_poll {
            write!(f, ", {}", Time(poll.lasted_ns))?;
        } else if let Some(ns) = self.runnable_ns {
            write!(f, ", {}", Time(ns))?;
        }
        let mark = if self.is_thread() {
            ", blocked thread"
        } else {
            ""
        };
        writeln!(f, "{mark}]:")?;
        if let Some(wait) = &self.wait {
            told(self.id, wait, f)?;
        }
        if let Some(poll) = &self.long_poll {
            long_poll(poll, f)?;
        }
        own_words(self, f)?;
        spawned(self, f)?;
        history(self, f)
    }
}

/// What stands in the brackets: as in Go the reason of the wait, else the state.
fn word(task: &TaskInfo) -> &'static str {
    let reason = task.wait.as_ref().map(|wait| wait.reason.as_str());
    reason.unwrap_or(task.state.as_str())
}

fn told(who: ObjId, wait: &Wait, f: &mut Formatter<'_>) -> fmt::Result {
    if let Some(object) = &wait.object {
        writeln!(f, "\ton {object}")?;
        held(object, "\t", f)?;
    }
    // A join knows of no place but the one where the task was spawned.
    let made = wait.object.as_ref().and_then(|object| object.made);
    if let Some(site) = wait.site.filter(|site| Some(*site) != made) {
        writeln!(f, "\twaits at {}", At(site))?;
    }
    if let Some(own) = &wait.again {
        again(who, own, f)?;
    }
    for arm in &wait.arms {
        writeln!(f, "\t\t{arm}")?;
        if let Some(object) = &arm.object {
            held(object, "\t\t\t", f)?;
        }
    }
    match wait.arm_count.saturating_sub(wait.arms.len()) {
        0 => Ok(()),
        more => writeln!(f, "\t\tand {more} more"),
    }
}

/// It runs, and does not come to an end.
fn long_poll(poll: &LongPoll, f: &mut Formatter<'_>) -> fmt::Result {
    write!(f, "\tlong poll")?;
    if let Some(cause) = poll.cause {
        write!(f, ", {cause}")?;
    }
    if let Some(site) = poll.after {
        write!(f, ", after its wait at {}", At(site))?;
        if let Some(object) = (!poll.object.is_none()).then_some(poll.object) {
            write!(f, " on {}", Who(object, object::name(object).as_deref()))?;
        }
    }
    match poll.taken_over {
        true => writeln!(f, "; another thread works for the others"),
        false => writeln!(f, "; it holds its worker up"),
    }
}

/// It waits for what it has acquired itself.
fn again(who: ObjId, own: &Again, f: &mut Formatter<'_>) -> fmt::Result {
    let what = match own.reads {
        true => "to read what it has acquired already",
        false => "for what it has acquired itself",
    };
    write!(f, "\t{} waits {what}", Who(who, None))?;
    if let Some(site) = own.site {
        write!(f, " at {}", At(site))?;
    }
    for (n, writer) in own.behind.iter().enumerate() {
        let sign = if n == 0 { "; writer" } else { ", then" };
        write!(
            f,
            "{sign} {}",
            Who(*writer, object::name(*writer).as_deref())
        )?;
    }
    match own.behind.len() {
        0 => writeln!(f),
        1 => writeln!(f, " waits in between"),
        _ => writeln!(f, " wait in between"),
    }
}

/// Who holds what is waited for, and how many wait.
pub(super) fn held(object: &Object, indent: &str, f: &mut Formatter<'_>) -> fmt::Result {
    let (holds, acquired) = words(object.id.kind());
    for holder in object.holders.iter().take(HOLDERS) {
        writeln!(f, "{indent}{holds} {}", Holds(holder, acquired))?;
    }
    if let Some(more @ 1..) = object.holders.len().checked_sub(HOLDERS) {
        writeln!(f, "{indent}and by {more} more")?;
    }
    if object.holders.is_empty() && object.mode.is_none() && object.count.is_none() {
        return Ok(());
    }
    write!(f, "{indent}{}", Count(object.waiters, "waiter"))?;
    if let Some(count) = object.count {
        write!(f, ", {count} not done")?;
    }
    match object.mode {
        Some(mode) => writeln!(f, ", {mode}"),
        None => writeln!(f),
    }
}

/// What its holders do with such a thing, and how that began.
pub(super) fn words(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::WaitGroup => ("kept by", "counted"),
        Kind::Once => ("being initialised by", "begun"),
        _ => ("held by", "acquired"),
    }
}

/// As after "held by".
impl Display for Holder {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Holds(self, "acquired"))
    }
}

/// A holder, and the word for how it became one.
pub(super) struct Holds<'a>(pub(super) &'a Holder, pub(super) &'static str);

impl Display for Holds<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Holds(holder, acquired) = self;
        match holder.id.is_none() {
            true => write!(f, "a thread")?,
            false => write!(f, "{}", Who(holder.id, holder.name.as_deref()))?,
        }
        let gone = if holder.gone { ", which is gone," } else { "" };
        write!(f, "{gone} for {}", Time(holder.held_ns))?;
        match holder.site {
            Some(site) => write!(f, ", {acquired} at {}", At(site)),
            None => Ok(()),
        }
    }
}

/// What it says of itself: the innermost region first, as frames of a stack.
fn own_words(task: &TaskInfo, f: &mut Formatter<'_>) -> fmt::Result {
    for region in task.regions.iter().rev() {
        write!(
            f,
            "\tin region {:?} for {}",
            region.name,
            Time(region.since_ns)
        )?;
        match region.site {
            Some(site) => writeln!(f, ", begun at {}", At(site))?,
            None => writeln!(f)?,
        }
    }
    if task.labels.is_empty() {
        return Ok(());
    }
    write!(f, "\tlabels")?;
    for (n, (key, value)) in task.labels.iter().enumerate() {
        let sign = if n == 0 { "" } else { "," };
        write!(f, "{sign} {key}={value:?}")?;
    }
    writeln!(f)
}

fn spawned(task: &TaskInfo, f: &mut Formatter<'_>) -> fmt::Result {
    let Some(site) = task.spawned else {
        return Ok(());
    };
    write!(f, "\tspawned at {}", At(site))?;
    if let Some(parent) = task.parent {
        write!(f, " by {}", Who(parent, object::name(parent).as_deref()))?;
    }
    write!(f, ", {} ago", Time(task.age_ns))?;
    match task.type_name {
        Some(name) => writeln!(f, ", {name}"),
        None => writeln!(f),
    }
}

fn history(task: &TaskInfo, f: &mut Formatter<'_>) -> fmt::Result {
    write!(f, "\t")?;
    if let Some(by) = task.woken_by {
        let name = object::name(by);
        write!(f, "last woken by {}, ", Who(by, name.as_deref()))?;
    }
    let unstable = if task.unstable {
        ", waits anew all the time"
    } else {
        ""
    };
    writeln!(f, "{}{unstable}", Count(task.polls as usize, "poll"))
}

/// One paragraph for many that wait alike.
pub(super) fn folded(group: &[&TaskInfo], f: &mut Formatter<'_>) -> fmt::Result {
    let waits = || group.iter().filter_map(|task| task.wait.as_ref());
    let (Some(longest), Some(shortest)) = (waits().next(), waits().next_back()) else {
        return Ok(());
    };
    let threads = group.iter().filter(|task| task.is_thread()).count();
    let range = (Time(longest.waited_ns), Time(shortest.waited_ns));
    let reason = longest.reason;
    let many = crowd(group.len(), threads);
    writeln!(f, "\n{many} [{reason}, {} to {}]:", range.0, range.1)?;
    common_objects(waits(), f)?;
    if let Some(site) = longest.site {
        writeln!(f, "\twait at {}", At(site))?;
    }
    if let Some(site) = group[0].spawned
        && group.iter().all(|task| task.spawned == Some(site))
    {
        writeln!(f, "\tspawned at {}", At(site))?;
    }
    write!(f, "\tthe longest waiting:")?;
    for task in group.iter().take(FOLD) {
        write!(f, " {}", Who(task.id, None))?;
    }
    writeln!(f, ", and {} more", group.len() - FOLD)
}

/// What all of them wait on: one object, or many that were made in one place.
fn common_objects<'a>(
    waits: impl Iterator<Item = &'a Wait> + Clone,
    f: &mut Formatter<'_>,
) -> fmt::Result {
    let mut ids: Vec<_> = waits
        .clone()
        .filter_map(|wait| Some(wait.object.as_ref()?.id))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let Some(object) = waits.clone().find_map(|wait| wait.object.as_ref()) else {
        let arms = waits.clone().next().map_or(&[][..], |wait| &wait.arms);
        return arms.iter().try_for_each(|arm| common_arm(arm, f));
    };
    match (ids.len(), object.made) {
        (1, _) => {
            writeln!(f, "\ton {object}")?;
            held(object, "\t", f)
        }
        (n, Some(made)) => writeln!(f, "\ton {n} {}s made at {}", object.id.kind(), At(made)),
        (n, None) => writeln!(f, "\ton {n} {}s", object.id.kind()),
    }
}

/// An arm of selects that wait alike. Their objects may differ.
fn common_arm(arm: &Arm, f: &mut Formatter<'_>) -> fmt::Result {
    let object = None;
    writeln!(f, "\t\t{}", Arm { object, ..*arm })
}

impl Display for Arm {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.reason)?;
        if let Some(site) = self.site {
            write!(f, " at {}", At(site))?;
        }
        match &self.object {
            Some(object) => write!(f, " on {object}"),
            None => Ok(()),
        }
    }
}

impl Display for Object {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Who(self.id, self.name.as_deref()))?;
        match self.made {
            Some(site) if self.id.kind() == Kind::Task => write!(f, ", spawned at {}", At(site)),
            Some(site) => write!(f, ", made at {}", At(site)),
            None => Ok(()),
        }
    }
}
