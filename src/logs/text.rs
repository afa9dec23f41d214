//! Lines for eyes: time, plugin, stream, level, and what the line says.

use std::io;

use anstyle::{AnsiColor, Style};
use replug_proto::replug::control::v1 as pb;
use replug_proto::replug::control::v1::log_line::{Level, Stream};
use replug_supervisor::output::legible;

use super::at;

/// The colours of plugins, in the order of the plan. Red and yellow are for levels.
const COLOURS: [AnsiColor; 8] = [
    AnsiColor::Cyan,
    AnsiColor::Green,
    AnsiColor::Magenta,
    AnsiColor::Blue,
    AnsiColor::BrightCyan,
    AnsiColor::BrightGreen,
    AnsiColor::BrightMagenta,
    AnsiColor::BrightBlue,
];

/// How lines are written.
pub(super) struct Text {
    /// Those that have come up, each with the colour of its place.
    plugins: Vec<String>,
    /// The width of their names.
    width: usize,
    colour: bool,
}

impl Text {
    /// For the lines of these plugins, and of others that may come.
    pub(super) fn new(plugins: &[String], colour: bool) -> Self {
        let width = plugins.iter().map(String::len).max().unwrap_or_default();
        Self { plugins: plugins.to_vec(), width, colour }
    }

    /// Writes the line.
    pub(super) fn write(&mut self, line: &pb::LogLine, out: &mut impl io::Write) -> io::Result<()> {
        let name = match line.instance {
            0 => line.plugin.clone(),
            instance => format!("{}@{instance}", line.plugin),
        };
        let own = self.style_of(&name);
        let width = self.width;
        if line.missed > 0 {
            let note = format!("… {} lines are not kept any more …", line.missed);
            let dim = self.style(Style::new().dimmed());
            writeln!(out, "{dim}{note}{dim:#}")?;
        }
        let dim = self.style(Style::new().dimmed());
        let time = humantime::format_rfc3339_millis(at(line));
        write!(out, "{dim}{time}{dim:#} {own}{name:width$}{own:#} ")?;
        let red = self.style(AnsiColor::Red.on_default());
        if line.stream() == Stream::Stderr {
            write!(out, "{red}!{red:#} ")?;
        } else {
            write!(out, "{dim}|{dim:#} ")?;
        }
        let (level, style) = match line.level() {
            // What most lines are, and what those are that tell nothing.
            Level::Info | Level::Unspecified => ("", Style::new()),
            Level::Trace => ("TRACE ", Style::new().dimmed()),
            Level::Debug => ("DEBUG ", Style::new().dimmed()),
            Level::Warn => ("WARN ", AnsiColor::Yellow.on_default()),
            Level::Error => ("ERROR ", AnsiColor::Red.on_default().bold()),
        };
        let style = self.style(style);
        writeln!(out, "{style}{level}{style:#}{}", legible(&line.message, &line.fields))
    }

    fn style_of(&mut self, plugin: &str) -> Style {
        let known = self.plugins.iter().position(|known| known == plugin);
        let place = known.unwrap_or_else(|| {
            self.width = self.width.max(plugin.len());
            self.plugins.push(plugin.to_owned());
            self.plugins.len() - 1
        });
        self.style(COLOURS[place % COLOURS.len()].on_default())
    }

    fn style(&self, style: Style) -> Style {
        if self.colour { style } else { Style::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(plugin: &str, stream: Stream, level: Level, message: &str) -> pb::LogLine {
        pb::LogLine {
            plugin: plugin.into(),
            at: Some(prost_types::Timestamp { seconds: 1, nanos: 500_000_000 }),
            stream: stream.into(),
            level: level.into(),
            message: message.into(),
            ..pb::LogLine::default()
        }
    }

    fn written(colour: bool, lines: &[pb::LogLine]) -> String {
        let mut text = Text::new(&["a".into(), "longer".into()], colour);
        let mut out = Vec::new();
        for line in lines {
            text.write(line, &mut out).unwrap();
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn names_stand_below_each_other_and_standard_error_is_marked() {
        let mut last = line("longer", Stream::Stderr, Level::Error, "broken");
        (last.missed, last.fields) = (3, r#"{"n":1}"#.into());
        let lines = [line("a", Stream::Stdout, Level::Info, "hello"), last];
        let wanted = "1970-01-01T00:00:01.500Z a      | hello\n\
                      … 3 lines are not kept any more …\n\
                      1970-01-01T00:00:01.500Z longer ! ERROR broken n=1\n";
        assert_eq!(written(false, &lines), wanted);
        let mut of_one = line("a", Stream::Stdout, Level::Info, "hello");
        of_one.instance = 2;
        assert_eq!(written(false, &[of_one]), "1970-01-01T00:00:01.500Z a@2    | hello\n");
    }

    #[test]
    fn each_plugin_has_its_colour_where_there_are_colours() {
        let of = |plugin| written(true, &[line(plugin, Stream::Stdout, Level::Info, "")]);
        assert!(of("a").contains("\u{1b}[36ma     \u{1b}[0m"), "{:?}", of("a"));
        assert!(of("longer").contains("\u{1b}[32mlonger\u{1b}[0m"), "{:?}", of("longer"));
        assert!(of("unknown").contains("\u{1b}[35munknown\u{1b}[0m"));
    }
}
