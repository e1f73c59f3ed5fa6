//! Why somebody waits: one enum for the whole house, with Go's own words where Go has them.
//!
//! Append only. Profiles, dumps and traces ask the reason what it is ([`WaitReason::class`]), never the primitive.
//! Words: `waitReasonStrings` in Go's `src/runtime/runtime2.go`; the reasons below the line are ours, for waits that Go
//! does not have.

use std::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $class:ident;)*) => {
        /// Why a task or a thread waits.
        ///
        /// [`Display`](fmt::Display) and [`as_str`](Self::as_str) give Go's exact words where Go has the same wait
        /// (`waitReasonStrings` in `src/runtime/runtime2.go`), so that whoever reads Go's dumps reads these.
        ///
        /// ```
        /// use gochan::hook::{WaitClass, WaitReason};
        ///
        /// assert_eq!(WaitReason::ChanRecv.as_str(), "chan receive");
        /// assert_eq!(WaitReason::Join.to_string(), "join");
        /// assert_eq!(WaitReason::MutexLock.class(), WaitClass::Sync);
        /// ```
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum WaitReason {
            $($(#[$doc])* $name,)*
        }

        impl WaitReason {
            /// Every reason there is, in the order of their numbers.
            pub(crate) const ALL: &'static [WaitReason] = &[$(WaitReason::$name,)*];

            /// The reason in words.
            pub const fn as_str(self) -> &'static str {
                match self { $(WaitReason::$name => $text,)* }
            }

            /// What kind of thing is waited for.
            pub const fn class(self) -> WaitClass {
                match self { $(WaitReason::$name => WaitClass::$class,)* }
            }
        }
    };
}

reasons! {
    /// A receive on a channel that is empty.
    ChanRecv = "chan receive", Chan;
    /// A send on a channel that is full.
    ChanSend = "chan send", Chan;
    /// A receive on a channel that never has anything, as Go's nil channel.
    ChanRecvNil = "chan receive (nil chan)", Chan;
    /// A send on a channel that never takes anything, as Go's nil channel.
    ChanSendNil = "chan send (nil chan)", Chan;
    /// Several operations at once, of which none can go on.
    Select = "select", Chan;
    /// A select that has nothing to select from.
    SelectNoCases = "select (no cases)", Chan;
    /// A point in time.
    Sleep = "sleep", Time;
    /// A permit of a semaphore.
    SemAcquire = "semacquire", Sync;
    /// A mutex that somebody holds.
    MutexLock = "sync.Mutex.Lock", Sync;
    /// A read-write mutex, to read.
    RwMutexRead = "sync.RWMutex.RLock", Sync;
    /// A read-write mutex, to write.
    RwMutexWrite = "sync.RWMutex.Lock", Sync;
    /// The end of a group's tasks.
    WaitGroupWait = "sync.WaitGroup.Wait", Sync;
    /// A condition variable's signal.
    CondWait = "sync.Cond.Wait", Sync;
    /// A file descriptor that is not ready.
    IoWait = "IO wait", Io;
    /// Its turn, after its time slice was used up.
    Preempted = "preempted", Task;
    // Ours from here on.
    /// The end of another task.
    Join = "join", Task;
    /// Its turn, after it gave way of its own accord.
    Yield = "yield", Task;
    /// A closure that runs on a thread for blocking work.
    Blocking = "blocking", Task;
    /// A future that is not of this crate and does not say what it waits for.
    Foreign = "foreign", Task;
    /// A tick or the firing of a timer.
    Timer = "timer", Time;
    /// The closing of a channel.
    ChanClosed = "chan close", Chan;
    /// A value that somebody else is initialising.
    Once = "once", Sync;
    /// The end of a context.
    ContextDone = "context done", Chan;
    /// The others who are to come to a barrier.
    Barrier = "barrier", Sync;
    /// A closure for blocking work that holds its worker up: there was no thread to take over from it.
    BlockingNoThread = "blocking (no thread left)", Task;
}

/// What kind of thing a [`WaitReason`] waits for.
///
/// ```
/// use gochan::hook::{WaitClass, WaitReason};
///
/// assert_eq!(WaitReason::Sleep.class(), WaitClass::Time);
/// assert_eq!(WaitClass::Time.to_string(), "time");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum WaitClass {
    /// Channels and selects.
    Chan,
    /// Locks, groups, conditions, semaphores.
    Sync,
    /// Points in time.
    Time,
    /// Other tasks, and the executor itself.
    Task,
    /// The outside world.
    Io,
}

impl WaitReason {
    /// The reason with this number.
    pub(crate) fn from_number(number: u8) -> Option<WaitReason> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

impl fmt::Display for WaitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for WaitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for WaitClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            WaitClass::Chan => "chan",
            WaitClass::Sync => "sync",
            WaitClass::Time => "time",
            WaitClass::Task => "task",
            WaitClass::Io => "io",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_reasons_are_one_to_one() {
        for (number, reason) in WaitReason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, number);
            assert_eq!(WaitReason::from_number(number as u8), Some(*reason));
        }
        assert_eq!(WaitReason::from_number(WaitReason::ALL.len() as u8), None);
    }

    #[test]
    fn go_words_are_go_words() {
        let go = [
            "chan receive",
            "chan send",
            "chan receive (nil chan)",
            "chan send (nil chan)",
            "select",
            "select (no cases)",
            "sleep",
            "semacquire",
            "sync.Mutex.Lock",
            "sync.RWMutex.RLock",
            "sync.RWMutex.Lock",
            "sync.WaitGroup.Wait",
            "sync.Cond.Wait",
            "IO wait",
            "preempted",
        ];
        let ours: Vec<_> = WaitReason::ALL.iter().map(|r| r.as_str()).collect();
        assert_eq!(ours[..go.len()], go);
    }

    #[test]
    fn no_two_reasons_share_their_words() {
        let mut words: Vec<_> = WaitReason::ALL.iter().map(|r| r.as_str()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), WaitReason::ALL.len());
    }
}
