//! Generated reference pages.
