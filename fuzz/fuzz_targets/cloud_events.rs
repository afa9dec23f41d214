//! A content type, a zero byte, data: published, and delivered as they are.
#![no_main]

use libfuzzer_sys::fuzz_target;
use replug_runtime::strangers;

fuzz_target!(|data: &[u8]| {
    let at = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let (content_type, rest) = data.split_at(at);
    let data = rest.get(1..).unwrap_or_default();
    let content_type = String::from_utf8_lossy(content_type);
    let _ = strangers::event(&content_type, data, &[].into());
    for raw in [false, true] {
        let metadata = [("content-type".to_owned(), content_type.clone().into_owned())];
        strangers::message(data, raw, metadata.into());
    }
});
