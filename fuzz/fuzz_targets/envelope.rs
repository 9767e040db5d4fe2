//! See `openbao_perimeter_fuzz::envelope`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| openbao_perimeter_fuzz::envelope(data));
