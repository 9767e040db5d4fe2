//! See `openbao_perimeter_fuzz::port_text`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| openbao_perimeter_fuzz::port_text(data));
