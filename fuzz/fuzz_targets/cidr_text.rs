//! See `openbao_perimeter_fuzz::cidr_text`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| openbao_perimeter_fuzz::cidr_text(data));
