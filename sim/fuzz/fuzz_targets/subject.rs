//! Feeds what libFuzzer makes to the target `subject`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::record::subject(bytes));
