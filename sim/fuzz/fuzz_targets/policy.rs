//! Feeds what libFuzzer makes to the target `policy`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::text::policy(bytes));
