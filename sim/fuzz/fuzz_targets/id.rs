//! Feeds what libFuzzer makes to the target `id`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::text::id(bytes));
