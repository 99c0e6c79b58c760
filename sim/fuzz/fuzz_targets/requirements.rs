//! Feeds what libFuzzer makes to the target `requirements`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::text::requirements(bytes));
