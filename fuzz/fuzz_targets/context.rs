//! Contexts, step by step, against a small model: a vector of nodes with a parent each.
//!
//! Bytes become a script: contexts are made below others, waited for, given functions, cancelled with and without a cause,
//! dropped, and their handles dropped, in any order. After each step every context must be what the model says: alive or
//! ended, how, why, by whom; whoever waits is woken exactly once, by the end and by nothing else; each function is called
//! once, at the end, unless it was taken back or its context went before; a parent counts the children that are there.

#![no_main]

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Once};
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use arbitrary::Arbitrary;
use gochan::context::{AfterFunc, Context, Key};
use gochan::{CancelCauseHandle, ContextError};
use libfuzzer_sys::fuzz_target;

const MOST: usize = 40;

#[derive(Arbitrary, Debug)]
enum Step {
    /// A new context below another.
    Make {
        above: u8,
        how: How,
    },
    /// Cancels, perhaps with a cause of this number.
    Cancel {
        at: u8,
        cause: Option<u8>,
    },
    /// Begins to wait for the end, or looks again with the same waker or another one.
    Poll {
        at: u8,
        fresh_waker: bool,
    },
    /// Waits no more.
    DropDone {
        at: u8,
    },
    After {
        at: u8,
    },
    Stop {
        at: u8,
    },
    DropContext {
        at: u8,
    },
    DropHandle {
        at: u8,
    },
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum How {
    Cancel,
    /// With a deadline that has passed, and a cause of this number perhaps.
    Past {
        cause: Option<u8>,
    },
    /// With a deadline this many hours away.
    Far {
        hours: u8,
    },
    Value {
        value: u8,
    },
    Without,
}

struct Number;
impl Key for Number {
    type Value = u8;
}

/// How a context of the model has ended.
#[derive(Clone, Debug, PartialEq)]
struct Ended {
    error: ContextError,
    cause: String,
    /// The node that was ended itself.
    by: usize,
}

/// A node of the model. Values are kept with the context, not the node.
struct Node {
    above: Option<usize>,
    ended: Option<Ended>,
    deadline: Option<Instant>,
    gone: bool,
}

/// A context of the model, and the real one.
struct Slot {
    node: Option<usize>,
    value: Option<u8>,
    real: Option<Arc<Context>>,
    handle: Option<CancelCauseHandle>,
    wait: Option<Wait>,
    after: Option<After>,
}

struct Wait {
    done: Pin<Box<dyn Future<Output = ContextError>>>,
    bell: Arc<Bell>,
    pending: bool,
    /// What it was woken by before the last poll with this bell.
    node: Option<usize>,
}

struct After {
    stop: AfterFunc,
    called: Arc<AtomicUsize>,
    node: Option<usize>,
    state: Func,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Func {
    Armed,
    Called,
    Stopped,
}

#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[derive(Default)]
struct World {
    nodes: Vec<Node>,
    slots: Vec<Slot>,
}

impl World {
    fn end(&mut self, node: usize, error: ContextError, cause: String) {
        if self.nodes[node].ended.is_some() {
            return;
        }
        let ended = Ended {
            error,
            cause,
            by: node,
        };
        self.nodes[node].ended = Some(ended.clone());
        // Parents come before their children.
        for below in node + 1..self.nodes.len() {
            let above = self.nodes[below].above;
            let ends = above.is_some_and(|above| self.nodes[above].ended.as_ref() == Some(&ended));
            if ends && self.nodes[below].ended.is_none() {
                self.nodes[below].ended = Some(ended.clone());
            }
        }
        for slot in &mut self.slots {
            if let Some(after) = &mut slot.after
                && after.state == Func::Armed
                && after
                    .node
                    .is_some_and(|node| self.nodes[node].ended.is_some())
            {
                after.state = Func::Called;
            }
        }
    }

    fn new_node(&mut self, above: Option<usize>, deadline: Option<Instant>) -> usize {
        let ended = above.and_then(|above| self.nodes[above].ended.clone());
        self.nodes.push(Node {
            above,
            ended,
            deadline,
            gone: false,
        });
        self.nodes.len() - 1
    }

    /// Whoever has nobody any more is gone; from the youngest to the oldest, since a child keeps its parent.
    fn sweep(&mut self) {
        for node in (0..self.nodes.len()).rev() {
            let held = self.slots.iter().any(|slot| {
                let own = slot.node == Some(node);
                own && (slot.real.is_some() || slot.handle.is_some())
                    || slot
                        .wait
                        .as_ref()
                        .is_some_and(|wait| wait.node == Some(node))
                    || slot
                        .after
                        .as_ref()
                        .is_some_and(|after| after.node == Some(node))
            });
            let below = self.nodes[node + 1..]
                .iter()
                .any(|other| other.above == Some(node) && !other.gone);
            self.nodes[node].gone = !held && !below;
        }
    }

    fn make(&mut self, above: usize, how: How) {
        let parent = &self.slots[above];
        let (node, value) = (parent.node, parent.value);
        let Some(real) = parent.real.clone() else {
            return;
        };
        let deadline = node.and_then(|node| self.nodes[node].deadline);
        let mut slot = Slot {
            node,
            value,
            real: None,
            handle: None,
            wait: None,
            after: None,
        };
        let made = match how {
            How::Cancel => {
                let (ctx, handle) = real.with_cancel_cause();
                slot.node = Some(self.new_node(node, deadline));
                slot.handle = Some(handle);
                ctx
            }
            How::Past { cause } => {
                let past = Instant::now();
                let (ctx, _) = match cause {
                    Some(cause) => real.with_deadline_cause(past, cause.to_string()),
                    None => real.with_deadline(past),
                };
                let earliest = deadline.map_or(past, |deadline| deadline.min(past));
                let new = self.new_node(node, Some(earliest));
                let error = ContextError::DeadlineExceeded;
                let cause = cause.map_or_else(|| error.to_string(), |cause| cause.to_string());
                self.end(new, error, cause);
                slot.node = Some(new);
                ctx
            }
            How::Far { hours } => {
                let far = Instant::now() + Duration::from_secs(3600 * (1 + u64::from(hours)));
                let (ctx, _) = real.with_deadline(far);
                let earliest = deadline.map_or(far, |deadline| deadline.min(far));
                assert_eq!(ctx.deadline(), Some(earliest));
                slot.node = Some(self.new_node(node, Some(earliest)));
                ctx
            }
            How::Value { value } => {
                slot.value = Some(value);
                real.with_value::<Number>(value)
            }
            How::Without => {
                slot.node = None;
                real.without_cancel()
            }
        };
        slot.real = Some(Arc::new(made));
        self.slots.push(slot);
    }

    fn poll(&mut self, at: usize, fresh: bool) {
        let slot = &mut self.slots[at];
        if slot.wait.is_none() {
            let Some(real) = slot.real.clone() else {
                return;
            };
            let done: Pin<Box<dyn Future<Output = ContextError>>> =
                Box::pin(async move { real.done().await });
            slot.wait = Some(Wait {
                done,
                bell: Arc::default(),
                pending: false,
                node: slot.node,
            });
        }
        let wait = slot.wait.as_mut().unwrap();
        if fresh {
            wait.bell = Arc::default();
        }
        let ended = wait.node.and_then(|node| self.nodes[node].ended.clone());
        let waker = Waker::from(wait.bell.clone());
        match wait
            .done
            .as_mut()
            .poll(&mut TaskContext::from_waker(&waker))
        {
            Poll::Ready(error) => {
                assert_eq!(Some(error), ended.map(|ended| ended.error));
                slot.wait = None;
            }
            Poll::Pending => {
                assert_eq!(ended, None, "it has ended and says that it has not");
                wait.pending = true;
            }
        }
    }

    fn after(&mut self, at: usize) {
        let slot = &mut self.slots[at];
        let Some(real) = &slot.real else {
            return;
        };
        let called = Arc::new(AtomicUsize::new(0));
        let count = called.clone();
        let stop = real.after_func(move || _ = count.fetch_add(1, SeqCst));
        let ended = slot
            .node
            .is_some_and(|node| self.nodes[node].ended.is_some());
        let state = if ended { Func::Called } else { Func::Armed };
        let (node, new) = (slot.node, stop);
        let before = slot.after.replace(After {
            stop: new,
            called,
            node,
            state,
        });
        // A function that nobody can stop any more still waits for the end; the model watches one a context.
        if let Some(before) = before {
            let stopped = before.stop.stop();
            assert_eq!(stopped, before.state == Func::Armed);
        }
    }

    fn step(&mut self, step: &Step) {
        let len = self.slots.len();
        match *step {
            Step::Make { above, how } if len < MOST => self.make(usize::from(above) % len, how),
            Step::Make { .. } => {}
            Step::Cancel { at, cause } => {
                let at = usize::from(at) % len;
                if let (Some(handle), Some(node)) =
                    (self.slots[at].handle.clone(), self.slots[at].node)
                {
                    let error = ContextError::Canceled;
                    match cause {
                        Some(cause) => {
                            handle.cancel(cause.to_string());
                            self.end(node, error, cause.to_string());
                        }
                        None => {
                            handle.without_cause().cancel();
                            self.end(node, error, error.to_string());
                        }
                    }
                }
            }
            Step::Poll { at, fresh_waker } => self.poll(usize::from(at) % len, fresh_waker),
            Step::DropDone { at } => self.slots[usize::from(at) % len].wait = None,
            Step::After { at } => self.after(usize::from(at) % len),
            Step::Stop { at } => {
                if let Some(after) = &mut self.slots[usize::from(at) % len].after {
                    assert_eq!(after.stop.stop(), after.state == Func::Armed);
                    if after.state == Func::Armed {
                        after.state = Func::Stopped;
                    }
                }
            }
            Step::DropContext { at } => self.slots[usize::from(at) % len].real = None,
            Step::DropHandle { at } => self.slots[usize::from(at) % len].handle = None,
        }
    }

    fn check(&mut self) {
        self.sweep();
        for slot in &self.slots {
            if let Some(real) = &slot.real {
                self.check_context(slot, real);
            }
            if let Some(wait) = &slot.wait {
                let ended = wait
                    .node
                    .is_some_and(|node| self.nodes[node].ended.is_some());
                let wakes = usize::from(wait.pending && ended);
                assert_eq!(wait.bell.0.load(SeqCst), wakes, "who waits is woken once");
            }
            if let Some(after) = &slot.after {
                let called = after.called.load(SeqCst);
                match after.state {
                    // In a thread or task of its own, and perhaps not yet.
                    Func::Called => assert!(called <= 1),
                    Func::Armed | Func::Stopped => assert_eq!(called, 0),
                }
            }
        }
    }

    fn check_context(&self, slot: &Slot, real: &Context) {
        assert_eq!(real.value::<Number>().copied(), slot.value);
        let Some(node) = slot.node else {
            assert!(real.err().is_none() && real.cause().is_none() && real.deadline().is_none());
            return;
        };
        let ended = &self.nodes[node].ended;
        assert_eq!(real.err(), ended.as_ref().map(|ended| ended.error));
        let cause = real.cause().map(|cause| cause.to_string());
        assert_eq!(cause.as_deref(), ended.as_ref().map(|ended| &*ended.cause));
        if let (Some(how), Some(ended)) = (real.cancellation(), ended) {
            let by = self.slots.iter().find(|slot| slot.node == Some(ended.by));
            if let Some(by) = by.and_then(|slot| slot.real.as_ref()) {
                assert_eq!(how.context, by.id());
            }
        }
        let children = self.nodes[node + 1..]
            .iter()
            .filter(|below| below.above == Some(node) && !below.gone && below.ended.is_none());
        assert_eq!(real.child_count(), children.count());
    }
}

fuzz_target!(|steps: Vec<Step>| {
    // So that functions run in tasks, and no thread of one is still ending when leaks are looked for.
    static RUNTIME: Once = Once::new();
    RUNTIME.call_once(|| drop(gochan::go(async {})));
    let mut world = World::default();
    world.slots.push(Slot {
        node: None,
        value: None,
        real: Some(Arc::new(Context::background())),
        handle: None,
        wait: None,
        after: None,
    });
    for step in &steps {
        world.step(step);
        world.check();
    }
    // Every function that was to be called is.
    for slot in &world.slots {
        if let Some(after) = &slot.after
            && after.state == Func::Called
        {
            while after.called.load(SeqCst) == 0 {
                std::thread::yield_now();
            }
        }
    }
});
