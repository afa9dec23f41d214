//! Bodies in chunks, of answers and of requests to the application.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};

/// The next line, without its end.
pub(super) async fn line(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<String> {
    let mut line = Vec::new();
    stream.read_until(b'\n', &mut line).await?;
    Ok(String::from_utf8_lossy(line.trim_ascii_end()).into_owned())
}

/// The whole body.
pub(super) async fn body(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let length = usize::from_str_radix(&line(stream).await?, 16).map_err(io::Error::other)?;
        let mut chunk = vec![0; length + 2];
        stream.read_exact(&mut chunk).await?;
        if length == 0 {
            return Ok(body);
        }
        chunk.truncate(length);
        body.append(&mut chunk);
    }
}
