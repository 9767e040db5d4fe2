//! See `openbao_perimeter_fuzz::set_laws`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| openbao_perimeter_fuzz::set_laws(data));
