//! See `openbao_perimeter_fuzz::other_policy`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| openbao_perimeter_fuzz::other_policy(data));
