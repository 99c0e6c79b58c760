//! Feeds what libFuzzer makes to the target `snapshot`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::fold::snapshot(bytes));
