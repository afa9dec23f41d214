//! `replug logs`: what plugins have printed, for eyes or for programs.

mod json;
mod text;

use std::io::{self, BufWriter, Write as _};
use std::time::SystemTime;

use replug_proto::replug::control::v1 as pb;
use replug_supervisor::control::{ClientError, LogLines};

use self::text::Text;
use crate::block_on;
use crate::cli::LogsArgs;
use crate::colour;
use crate::exit::Failure;
use crate::status::{connect, processes};

/// Asks and shows, for as long as there is something to show.
pub(crate) fn logs(args: &LogsArgs) -> Result<(), Failure> {
    block_on(async {
        let client = connect(&args.control).await?;
        let text = if args.json {
            None
        } else {
            let names = names(&client.status().await?, &args.plugins);
            Some(Text::new(&names, colour::wanted(&io::stdout())))
        };
        let lines = client
            .logs(pb::LogsRequest {
                plugins: args.plugins.clone(),
                follow: args.follow,
                last: args.last(),
                since: args.since.map(Into::into),
            })
            .await?;
        show(lines, text, args.follow).await
    })
}

/// Shows lines as they come.
async fn show(mut lines: LogLines, mut text: Option<Text>, follow: bool) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    loop {
        let line = tokio::select! {
            line = lines.next() => line,
            // Whoever looks has seen enough.
            _ = &mut interrupted, if follow => break,
        };
        let line = match line {
            Ok(Some(line)) => line,
            Ok(None) if !follow => break,
            Ok(None) => return Err(Failure::not_running("replug has ended")),
            Err(error @ ClientError::Lost(_)) if follow => {
                return Err(Failure::not_running(error));
            }
            Err(error) => return Err(error.into()),
        };
        let written = match &mut text {
            Some(text) => text.write(&line, &mut out),
            None => json::write(&line, &mut out),
        };
        // Whoever follows sees a line when it is there.
        if written.and_then(|()| if follow { out.flush() } else { Ok(()) }).is_err() {
            break;
        }
    }
    // A reader that has seen enough, as `head` does, is no failure.
    let _ = out.flush();
    Ok(())
}

/// The plugins whose lines may come.
fn names(status: &pb::StatusResponse, wanted: &[String]) -> Vec<String> {
    let declared = status.plugins.iter().filter(|it| it.kind() == pb::plugin::Kind::Declared);
    let names = declared.flat_map(|plugin| {
        let all = wanted.is_empty() || wanted.contains(&plugin.name);
        let those = processes(plugin).iter().filter(move |it| all || wanted.contains(&it.name));
        those.map(|process| process.name.clone())
    });
    names.collect()
}

/// When the line was printed.
fn at(line: &pb::LogLine) -> SystemTime {
    line.at.and_then(|at| at.try_into().ok()).unwrap_or(SystemTime::UNIX_EPOCH)
}
