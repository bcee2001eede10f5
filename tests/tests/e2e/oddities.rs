//! One small fixture and test for each oddity that real migration sets have.

mod content;
mod landings;
mod names;
mod places;
mod sessions;
