//! Feeds what libFuzzer makes to the target `record`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::record::record(bytes));
