//! The page that every HTTP server is asked for: what the `http` example has at `/`.

/// Its type.
pub(crate) const PAGE_TYPE: &str = "text/plain; charset=utf-8";
/// Its text.
pub(crate) const PAGE: &str = "Hello, World!";
