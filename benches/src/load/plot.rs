//! The figures as a picture: bars of the rate and of the latency, a group for each case.

use std::fmt::Write as _;

use super::Outcome;

/// In pixels.
const WIDTH: f64 = 760.0;
const LABELS: f64 = 170.0;
const BAR: f64 = 18.0;
const GAP: f64 = 6.0;
const TITLE: f64 = 30.0;
/// How much of a panel the longest bar takes; its figure stands beside it.
const LONGEST: f64 = 0.72;

/// One kind of figure.
struct Panel {
    title: &'static str,
    figure: fn(&Outcome) -> f64,
}

const PANELS: [Panel; 3] = [
    Panel { title: "calls a second", figure: |outcome| outcome.rate },
    Panel { title: "p50, µs", figure: |outcome| outcome.tally.micros(500) },
    Panel { title: "p99, µs", figure: |outcome| outcome.tally.micros(990) },
];

/// The cases with what each way has shown, as SVG.
pub(super) fn drawn(cases: &[(String, Vec<Outcome>)]) -> String {
    let panel = (WIDTH - LABELS) / 3.0;
    let mut body = String::new();
    let mut top = 10.0;
    for (case, outcomes) in cases {
        let _ = write!(body, "<text class='case' x='8' y='{}'>{case}</text>", top + 14.0);
        for (index, Panel { title, .. }) in (0_u8..).zip(&PANELS) {
            let left = LABELS + panel * f64::from(index);
            let _ =
                write!(body, "<text class='title' x='{left}' y='{}'>{title}</text>", top + 14.0);
        }
        top += TITLE;
        for outcome in outcomes {
            let middle = top + BAR * 0.75;
            let _ = write!(body, "<text x='8' y='{middle}'>{}</text>", outcome.way);
            for (index, Panel { figure, .. }) in (0_u8..).zip(&PANELS) {
                let left = LABELS + panel * f64::from(index);
                let most = outcomes.iter().map(figure).fold(f64::MIN_POSITIVE, f64::max);
                let length = panel * LONGEST * figure(outcome) / most;
                let _ = write!(
                    body,
                    "<rect class='{}' x='{left}' y='{top}' width='{length:.1}' height='{BAR}'/>\
                     <text x='{:.1}' y='{middle}'>{:.0}</text>",
                    class(outcome.way),
                    left + length + 4.0,
                    figure(outcome),
                );
            }
            top += BAR + GAP;
        }
        top += GAP * 2.0;
    }
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{top}'>\
         <style>text{{font:12px sans-serif;fill:#333}}.case{{font-weight:bold}}.title{{fill:#777}}\
         .direct{{fill:#9aa5b1}}.replug{{fill:#2f6fde}}.daprd{{fill:#d9822b}}.relay{{fill:#c3c9d0}}\
         </style><rect width='100%' height='100%' fill='#fff'/>{body}</svg>\n"
    )
}

/// Ways of one kind have one colour.
fn class(way: &str) -> &str {
    ["replug", "daprd", "relay"].into_iter().find(|kind| way.contains(kind)).unwrap_or("direct")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::tally::Tally;

    #[test]
    fn every_way_has_a_bar_in_every_panel() {
        let outcome = |way, rate| Outcome {
            way,
            rate,
            of_direct: 1.0,
            between: None,
            plugin: None,
            load: None,
            tally: Tally::default(),
        };
        let drawn =
            drawn(&[("Get".to_owned(), vec![outcome("direct", 2.0), outcome("replug", 1.0)])]);
        assert_eq!(drawn.matches("<rect class=").count(), 6);
        assert!(drawn.contains("class='replug'") && drawn.ends_with("</svg>\n"), "{drawn}");
    }
}
