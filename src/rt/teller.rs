//! The teller: a thread that says what the monitor has seen, to subscribers and on the standard error output.
//!
//! What it is not: the monitor ([`sysmon`](super::sysmon)). Subscribers are foreign code and an output may be a pipe that nobody reads:
//! both may take their time, or all of it, and the monitor has others to look after.
//!
//! ```text
//! monitor --tell--> queue, of ROOM places --> thread, from the first word on
//! ```
//! 1. The monitor never waits for it: what finds the queue full is left out, counted, and the count is said with the next that does not.
//! 2. It ends when the monitor does, after what is in the queue, and is joined as all other threads.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use super::shared::Shared;
use super::threads::Threads;
use crate::hook::{self, LongPoll};
use crate::shim::Arc;
use crate::util::tell;

/// More than are ever seen at once, unless somebody does not listen.
const ROOM: usize = 64;

/// What there is to say.
pub(super) enum News {
    /// A line, or some.
    Text(String),
    /// To those who subscribe.
    LongPoll(LongPoll),
}

/// The monitor's end.
pub(super) struct Teller {
    /// `None`: there was nothing to say yet.
    queue: Option<SyncSender<News>>,
    left_out: u64,
}

impl Teller {
    pub(super) fn new() -> Teller {
        Teller {
            queue: None,
            left_out: 0,
        }
    }

    pub(super) fn tell(&mut self, shared: &Arc<Shared>, news: News) {
        if self.queue.is_none() {
            let (queue, said) = sync_channel(ROOM);
            if Threads::start_teller(shared, move || run(&said)).is_err() {
                // No thread is to be had: it is said here, or nowhere.
                return say(news);
            }
            self.queue = Some(queue);
        }
        if self.left_out > 0 {
            let text = format!("gochan: {} messages were left out\n", self.left_out);
            if self.try_send(News::Text(text)) {
                self.left_out = 0;
            }
        }
        if !self.try_send(news) {
            self.left_out += 1;
        }
    }

    fn try_send(&self, news: News) -> bool {
        let sent = self.queue.as_ref().map(|queue| queue.try_send(news));
        !matches!(sent, Some(Err(TrySendError::Full(_))))
    }
}

/// The thread.
fn run(said: &Receiver<News>) {
    said.iter().for_each(say);
}

fn say(news: News) {
    match news {
        News::Text(text) => tell(format_args!("{text}")),
        News::LongPoll(event) => hook::long_poll(event),
    }
}

#[cfg(all(test, not(gochan_loom)))]
mod tests {
    use super::*;

    fn text(news: News) -> String {
        match news {
            News::Text(text) => text,
            News::LongPoll(_) => panic!("only words were said"),
        }
    }

    #[test]
    fn what_finds_no_room_is_left_out_and_counted() {
        let (shared, _cores) = Shared::new(1, "nobody".into(), None);
        let (queue, said) = sync_channel(2);
        let mut teller = Teller {
            queue: Some(queue),
            left_out: 0,
        };
        let mut tell = |word: &str| teller.tell(&shared, News::Text(word.into()));
        ["one", "two", "three", "four"]
            .into_iter()
            .for_each(&mut tell);
        assert_eq!([(); 2].map(|()| text(said.recv().unwrap())), ["one", "two"]);
        tell("five");
        let next = [(); 2].map(|()| text(said.recv().unwrap()));
        assert_eq!(next, ["gochan: 2 messages were left out\n", "five"]);
        tell("six");
        assert_eq!(text(said.recv().unwrap()), "six", "all is said");
    }
}
