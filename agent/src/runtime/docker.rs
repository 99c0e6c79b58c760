//! Execs as Docker containers.
