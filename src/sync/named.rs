//! The face of a wait for an object that holds no value: a named future around a `Park`.
//!
//! What it is not: the operation. That is an `Op`, in the file of its primitive.

/// A named future around the `Park` of an `Op` that borrows its object: awaited, an arm of `select!` by value and by
/// `&mut`, and a `wait` for threads.
macro_rules! named_future {
    ($(#[$doc:meta])* $name:ident, $op:ident, $payload:expr, $output:ty) => {
        ::pin_project_lite::pin_project! {
            $(#[$doc])*
            #[must_use = "futures do nothing unless awaited"]
            pub struct $name<'a> {
                #[pin]
                park: $crate::wait::op::Park<$op<'a>>,
            }
        }

        impl<'a> $name<'a> {
            #[inline]
            fn new(op: $op<'a>) -> Self {
                $name { park: $crate::wait::op::Park::new(op, $payload) }
            }

            /// Blocks this thread until the wait is over. Not for tasks: it would block their worker.
            pub fn wait(mut self) -> $output {
                match self.park.at_once() {
                    Some(output) => output,
                    None => $crate::wait::parker::block_on(self),
                }
            }
        }

        impl ::std::future::Future for $name<'_> {
            type Output = $output;

            #[inline]
            fn poll(
                self: ::std::pin::Pin<&mut Self>,
                cx: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<$output> {
                self.project().park.poll(cx)
            }
        }

        impl<'a> $crate::wait::case::Arm for $name<'a> {
            type Output = $output;
            type Case = $crate::wait::case::OpCase<$op<'a>>;

            #[inline]
            fn into_case(self) -> Self::Case {
                self.park.into_case()
            }
        }

        impl<'a, 'b> $crate::wait::case::Arm for &'b mut $name<'a> {
            type Output = $output;
            type Case = $crate::wait::case::Lent<'b, $op<'a>>;

            fn into_case(self) -> Self::Case {
                (&mut self.park).into_case()
            }
        }

        impl ::std::fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                self.park.fmt(f)
            }
        }
    };
}

pub(super) use named_future;
