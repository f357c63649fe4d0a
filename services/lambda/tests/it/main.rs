//! Lambda through the whole request path, with real sandboxes where functions run.

mod configuration;
mod gate;
mod logs;
mod queue;
mod runs;
mod support;
