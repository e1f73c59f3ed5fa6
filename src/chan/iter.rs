//! Receiving by iteration, for plain threads.

use std::iter::FusedIterator;
use std::panic::Location;

use super::Receiver;
use super::ops::RecvFuture;
use super::slot::RecvSlot;

type Site = &'static Location<'static>;

fn next<T>(rx: &Receiver<T>, site: Site) -> Option<T> {
    RecvFuture::new(&rx.chan, site, RecvSlot::default())
        .wait()
        .ok()
}

/// Blocks for each value until the channel is closed and empty: from [`Receiver::iter`].
#[derive(Clone, Debug)]
pub struct Iter<'a, T> {
    rx: &'a Receiver<T>,
    site: Site,
}

impl<'a, T> Iter<'a, T> {
    #[track_caller]
    pub(super) fn new(rx: &'a Receiver<T>) -> Self {
        Iter {
            rx,
            site: Location::caller(),
        }
    }
}

impl<T> Iterator for Iter<'_, T> {
    type Item = T;
    fn next(&mut self) -> Option<T> {
        next(self.rx, self.site)
    }
}

impl<T> FusedIterator for Iter<'_, T> {}

/// [`Iter`] that owns its receiver.
#[derive(Debug)]
pub struct IntoIter<T> {
    rx: Receiver<T>,
    site: Site,
}

impl<T> Iterator for IntoIter<T> {
    type Item = T;
    fn next(&mut self) -> Option<T> {
        next(&self.rx, self.site)
    }
}

impl<T> FusedIterator for IntoIter<T> {}

impl<T> IntoIterator for Receiver<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;
    #[track_caller]
    fn into_iter(self) -> IntoIter<T> {
        IntoIter {
            rx: self,
            site: Location::caller(),
        }
    }
}

impl<'a, T> IntoIterator for &'a Receiver<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;
    #[track_caller]
    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

/// Takes values while there are any: from [`Receiver::try_iter`].
#[derive(Clone, Debug)]
pub struct TryIter<'a, T> {
    rx: &'a Receiver<T>,
}

impl<'a, T> TryIter<'a, T> {
    pub(super) fn new(rx: &'a Receiver<T>) -> Self {
        TryIter { rx }
    }
}

impl<T> Iterator for TryIter<'_, T> {
    type Item = T;
    fn next(&mut self) -> Option<T> {
        self.rx.try_recv().ok()
    }
}

/// Takes at most as many values as were there at first, so it ends however fast others send: from [`Receiver::drain`].
#[derive(Debug)]
pub struct Drain<'a, T> {
    rx: &'a Receiver<T>,
    left: usize,
}

impl<'a, T> Drain<'a, T> {
    pub(super) fn new(rx: &'a Receiver<T>) -> Self {
        Drain { rx, left: rx.len() }
    }
}

impl<T> Iterator for Drain<'_, T> {
    type Item = T;
    fn next(&mut self) -> Option<T> {
        self.left = self.left.checked_sub(1)?;
        self.rx.try_recv().ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left))
    }
}
