//! A condition, a zero byte, an event.
#![no_main]

use libfuzzer_sys::fuzz_target;
use replug_runtime::strangers;

fuzz_target!(|data: &[u8]| {
    let at = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let (text, event) = data.split_at(at);
    if let Ok(text) = std::str::from_utf8(text) {
        let _ = strangers::condition(text, event.get(1..).unwrap_or_default());
    }
});
