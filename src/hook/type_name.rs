//! The name of a future's type, so small that a record has room for it.

/// A type's name behind a thin pointer, so that it fits one word.
#[derive(Debug)]
pub(crate) struct TypeName(fn() -> &'static str);

impl TypeName {
    pub(crate) const fn of<T: ?Sized>() -> &'static TypeName {
        trait Named {
            const NAME: &'static TypeName;
        }
        impl<T: ?Sized> Named for T {
            const NAME: &'static TypeName = &TypeName(std::any::type_name::<T>);
        }
        T::NAME
    }

    pub(crate) fn as_str(&self) -> &'static str {
        (self.0)()
    }
}
