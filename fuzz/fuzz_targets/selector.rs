//! See `openbao_perimeter_fuzz::selector`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| openbao_perimeter_fuzz::selector(data));
