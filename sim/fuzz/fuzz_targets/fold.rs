//! Feeds what libFuzzer makes to the target `fold`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::fold::fold(bytes));
