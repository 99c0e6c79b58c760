//! Feeds what libFuzzer makes to the target `kernel`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::kernel::kernel(bytes));
