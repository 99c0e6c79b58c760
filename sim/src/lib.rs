//! the whole system in one thread under virtual time, from one seed.
