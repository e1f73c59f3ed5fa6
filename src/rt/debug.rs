//! `GOCHAN_DEBUG`: what the runtimes of this process are to print, as Go's `GODEBUG`.
//!
//! What it is not: configuration. It changes what is printed and nothing else; a word that makes no sense is named on the
//! standard error output, once, and left out.
//!
//! | word | meaning |
//! |---|---|
//! | `schedtrace=N` | a line on the scheduler every N milliseconds |
//! | `scheddetail=1` | with it lines for each slot, thread and task |
//! | `longpoll=1` | a line for each long poll, while it lasts |

use std::sync::OnceLock;
use std::time::Duration;

use crate::util::tell;

const NAME: &str = "GOCHAN_DEBUG";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Debug {
    pub(super) schedtrace: Option<Duration>,
    pub(super) scheddetail: bool,
    pub(super) longpoll: bool,
}

/// What the environment said when this was first asked.
pub(super) fn debug() -> Debug {
    static DEBUG: OnceLock<Debug> = OnceLock::new();
    *DEBUG.get_or_init(|| {
        let Some(text) = std::env::var_os(NAME) else {
            return Debug::default();
        };
        let (debug, wrong) = Debug::parse(&text.to_string_lossy());
        for what in wrong {
            tell(format_args!("gochan: {NAME}: {what}; it is ignored\n"));
        }
        debug
    })
}

impl Debug {
    /// The settings, and what is wrong with the others.
    fn parse(text: &str) -> (Debug, Vec<String>) {
        let mut debug = Debug::default();
        let words = text
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty());
        let wrong = words.filter_map(|word| debug.set(word).err()).collect();
        (debug, wrong)
    }

    fn set(&mut self, word: &str) -> Result<(), String> {
        let (name, value) = word
            .split_once('=')
            .ok_or_else(|| format!("{word:?} is not of the form name=number"))?;
        match name {
            "schedtrace" => self.schedtrace = millis(name, value)?,
            "scheddetail" => self.scheddetail = switch(name, value)?,
            "longpoll" => self.longpoll = switch(name, value)?,
            _ => {
                return Err(format!(
                    "there is no setting {name:?}; there are schedtrace, scheddetail and longpoll"
                ));
            }
        }
        Ok(())
    }
}

fn millis(name: &str, value: &str) -> Result<Option<Duration>, String> {
    match value.parse() {
        Ok(0) => Ok(None),
        Ok(millis) => Ok(Some(Duration::from_millis(millis))),
        Err(_) => Err(format!(
            "{name} must be a number of milliseconds, and is {value:?}"
        )),
    }
}

fn switch(name: &str, value: &str) -> Result<bool, String> {
    match value {
        "0" => Ok(false),
        "1" => Ok(true),
        _ => Err(format!("{name} must be 0 or 1, and is {value:?}")),
    }
}

#[cfg(all(test, not(gochan_loom)))]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read() {
        let (debug, wrong) = Debug::parse("schedtrace=1000, scheddetail=1,longpoll=1");
        let all = Debug {
            schedtrace: Some(Duration::from_secs(1)),
            scheddetail: true,
            longpoll: true,
        };
        assert_eq!((debug, wrong), (all, Vec::new()));
        assert_eq!(Debug::parse("").0, Debug::default());
        let off = Debug::parse("schedtrace=0,scheddetail=0");
        assert_eq!(off, (Debug::default(), Vec::new()));
    }

    #[test]
    fn what_is_wrong_is_named_and_the_rest_holds() {
        let text = "schedtrace=fast,scheddetail=2,gctrace=1,longpoll,longpoll=1,schedtrace=-1";
        let (debug, wrong) = Debug::parse(text);
        assert!(debug.longpoll);
        assert_eq!(debug.schedtrace, None);
        assert_eq!(
            wrong,
            [
                r#"schedtrace must be a number of milliseconds, and is "fast""#,
                r#"scheddetail must be 0 or 1, and is "2""#,
                r#"there is no setting "gctrace"; there are schedtrace, scheddetail and longpoll"#,
                r#""longpoll" is not of the form name=number"#,
                r#"schedtrace must be a number of milliseconds, and is "-1""#,
            ]
        );
    }
}
