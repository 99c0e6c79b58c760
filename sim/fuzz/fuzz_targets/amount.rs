//! Feeds what libFuzzer makes to the target `amount`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::text::amount(bytes));
