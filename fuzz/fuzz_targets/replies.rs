#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| darner_fuzz::replies(bytes));
