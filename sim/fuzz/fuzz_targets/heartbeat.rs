//! Feeds what libFuzzer makes to the target `heartbeat`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::record::heartbeat(bytes));
