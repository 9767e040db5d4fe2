//! See `openbao_perimeter_fuzz::cluster_review`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| openbao_perimeter_fuzz::cluster_review(data));
