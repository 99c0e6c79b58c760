//! What the kernel writes when it kills for memory.

#[path = "oom/kills.rs"]
mod kills;
#[path = "oom/lines.rs"]
mod lines;
#[path = "oom/verdict.rs"]
mod verdict;
